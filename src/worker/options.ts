/** What the caller of `startWorker` and `copilotPlugin` says, and what holds then. */
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { type Config, loadConfig } from '../config.ts';
import type { CopilotConfig } from '../config-file.ts';
import type { ObjectStore } from '../storage/stores/object-store.ts';

/** What hosting sessions takes from code. The keys of a `copilot.config.ts` are the same; the file itself is read by the CLI alone. */
export interface HostingOptions extends CopilotConfig {
  /** Default: read from the environment by `loadConfig`. */
  readonly config?: Config | undefined;
  /** Folder of local state, in place of COPILOT_HOME. Workspaces and archive are in it. */
  readonly homeDir?: string | undefined;
  /** Folder with one subfolder for each team, in place of COPILOT_AGENTS_DIR. */
  readonly agentsDir?: string | undefined;
  /** Where closed sessions are archived, in place of the archive folder. */
  readonly archive?: ObjectStore | undefined;
  /** Where large payloads are stored, in place of COPILOT_PAYLOAD_STORE. Clients need the same, as `payloadStore` of their `config`. */
  readonly payloadStore?: ObjectStore | undefined;
  /** Default: JSON lines on stderr at the level of COPILOT_LOG_LEVEL. */
  readonly log?: Logger | undefined;
}

/** The configuration with what the caller says in its place. */
export function hostConfig({ homeDir, agentsDir, payloadStore, ...options }: HostingOptions): Config {
  const { config = loadConfig(undefined, options) } = options;
  const home = homeDir === undefined ? undefined : resolve(homeDir);
  return {
    ...config,
    ...(home === undefined
      ? {}
      : { homeDir: home, workspaceRoot: join(home, 'workspaces'), archiveDir: join(home, 'archive') }),
    ...(payloadStore === undefined ? {} : { payloadStore }),
    ...(agentsDir === undefined ? {} : { agentsDir: resolve(agentsDir) }),
  };
}
