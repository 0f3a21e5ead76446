/** What the caller of `startWorker` and `copilotPlugin` says, and what holds then. */
import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { type Config, type ConfigDefaults, loadConfig } from '../config.ts';
import { teamFolders } from '../environment-values.ts';
import { checkProviders, type CopilotConfig } from '../config-file.ts';
import type { ObjectStore } from '../storage/stores/object-store.ts';

/** What hosting sessions takes from code. What stands here goes before the environment. */
export interface HostingOptions extends Omit<CopilotConfig, keyof ConfigDefaults> {
  /** All settings of the environment. Default: read by `loadConfig`. `copilot.config.ts` is read by the CLI alone. */
  readonly config?: Config | undefined;
  /** Folder of local state, in place of COPILOT_HOME. Workspaces and archive are in it. */
  readonly homeDir?: string | undefined;
  /**
   * Folder with one subfolder for each team, or a list of such subfolders or their `team.yaml`, in place of
   * COPILOT_AGENTS_DIR.
   */
  readonly teams?: string | readonly string[] | undefined;
  /** Where closed sessions are archived, in place of COPILOT_ARCHIVE_DIR. */
  readonly archive?: ObjectStore | undefined;
  /**
   * Where large payloads are stored, in place of COPILOT_PAYLOAD_STORE. Clients need the same, as `payloadStore` of their
   * `config`.
   */
  readonly payloadStore?: ObjectStore | undefined;
  /** Default: JSON lines on stderr at the level of COPILOT_LOG_LEVEL. */
  readonly log?: Logger | undefined;
}

/**
 * The configuration with what the caller says in its place.
 * @throws CopilotError `InvalidConfig` for the environment, `InvalidInput` for providers that cannot be used
 */
export function hostConfig({ config = loadConfig(), homeDir, teams, payloadStore, providers }: HostingOptions): Config {
  checkProviders(providers);
  const home = homeDir === undefined ? undefined : resolve(homeDir);
  return {
    ...config,
    ...(home === undefined
      ? {}
      : { homeDir: home, workspaceRoot: join(home, 'workspaces'), archiveDir: join(home, 'archive') }),
    ...(payloadStore === undefined ? {} : { payloadStore }),
    ...(teams === undefined ? {} : { agentsDir: teamFolders(teams) }),
  };
}
