/** What serves sessions in a worker: models, open teams, transcripts. All of it is a cache. */
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { AgentCache } from '../../agents/cache/agent-cache.ts';
import { loadTeam } from '../../agents/files/load-team.ts';
import { openTeam } from '../../agents/team.ts';
import { TranscriptCache } from '../../agents/transcripts.ts';
import type { Config } from '../../config.ts';
import type { CopilotConfig } from '../../config-file.ts';
import { openArchiveFolder } from '../../storage/stores/archive-folder.ts';
import type { ObjectStore } from '../../storage/stores/object-store.ts';
import { type Ceilings, ceilingsOf } from '../../tools/approval/ceilings.ts';
import { startTextServer } from '../../direct-text/text-server.ts';
import { runnerOf } from '../../tools/code/container-runner.ts';
import { type TeamTrust, teamTrust } from '../../tools/mcp/trust.ts';
import { type Tools, withOwnTools } from '../../tools/registry.ts';
import { Traces } from '../../tracing/traces.ts';
import type { Operated } from '../../operator-port.ts';
import { startAdmin } from '../admin.ts';
import { CallMetrics } from '../call-metrics.ts';
import type { HostParts } from './activities.ts';
import { type ModelSource, openModelSource } from './model-source.ts';
import { findOpenSessions } from './open-sessions.ts';
import { checkHostFolders } from './host-folders.ts';
import { warmTeams } from './warm-teams.ts';

/** Folder in the home folder with the MCP servers that the worker's own teams have or had. */
const TRUSTED_TEAMS = 'trusted-teams';

export interface HostOptions {
  readonly config: Config;
  /** What comes from code. */
  readonly settings: CopilotConfig;
  /** Default: the archive folder of `config`. */
  readonly archive?: ObjectStore | undefined;
  /** The worker's identity at the Temporal server. */
  readonly identity: string;
  readonly client: Client;
  /** Gets the metrics of what is opened. */
  readonly operated: Operated;
  readonly log: Logger;
}

export interface Host {
  readonly parts: HostParts;
  /** The models' name for people: a base URL, `OpenAI`, a provider, or `offline`. */
  readonly model: string;
  /** Closes the last opened first. It logs what fails. */
  close(): Promise<void>;
}

/** Something to close when the worker ends, however it ends. */
interface OpenPart {
  readonly name: string;
  close(): Promise<void>;
}

/** @throws CopilotError `InvalidConfig`; `InvalidTool` if two tools have the same name */
export async function openHost(options: HostOptions): Promise<Host> {
  const opened: OpenPart[] = [];
  const close = (): Promise<void> => closeParts(opened, options.log);
  try {
    return { ...(await openParts(options, opened)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Adds each part to `opened` as soon as there is something to close. */
async function openParts(options: HostOptions, opened: OpenPart[]): Promise<Omit<Host, 'close'>> {
  const { config, settings, identity, log } = options;
  await checkHostFolders(config, { hasOwnArchive: options.archive !== undefined, log });
  const runner = runnerOf(settings, config);
  runner?.prepare?.().catch((err: unknown) => log.warn({ err }, 'what dead workers left of code was not removed'));
  const tools = withOwnTools(settings.tools, runner);
  const ceilings = readCeilings(options, tools);
  const models = await openModelSource(config, settings, (lesson) =>
    log[lesson.tool === undefined ? 'info' : 'warn'](
      lesson,
      'the model does not take this; it is left out from now on',
    ),
  );
  opened.push({ name: 'models', close: () => models.close() });
  const traces = await Traces.open(config.traces, (problem) => log.warn({ problem }, 'traces are not sent'));
  if (traces) opened.push({ name: 'traces', close: () => traces.close() });
  const transcripts = new TranscriptCache();
  const trust = teamTrust({
    folder: join(config.homeDir, TRUSTED_TEAMS),
    trustsAll: config.trustTeams,
    load: (team) => loadTeam(config.agentsDir, team, tools),
    log,
  });
  const agents = openAgents(options, { models, tools, trust });
  opened.push({
    name: 'agents',
    close: async () => {
      const { instances } = agents.stats();
      await agents.close();
      log.info({ instances, closeFailures: agents.stats().closeFailures }, 'agent teams closed');
      log.info(transcripts.stats(), 'transcript cache statistics');
    },
  });
  const calls = new CallMetrics();
  const admin = await startAdmin({ config, identity, agents, transcripts, calls, operated: options.operated, log });
  opened.push({ name: 'admin', close: () => admin.close() });
  const texts = config.directText && (await startTextServer(config.directText, log));
  if (texts) opened.push({ name: 'direct text', close: () => texts.close() });
  if (config.warm) {
    const warming = warmTeams(config, { agents, trust, tools, log });
    opened.push({ name: 'warming', close: () => warming.stop() });
  }
  const { workspaceRoot } = config;
  const archive = options.archive ?? openArchiveFolder(config.archiveDir);
  const caches = { agents, transcripts };
  const told = { log, metrics: calls, texts, traces };
  return {
    parts: { ...caches, ...told, archive, identity, ceilings, tools, trust, workspaceRoot },
    model: models.name,
  };
}

function readCeilings({ config, settings, log }: HostOptions, tools: Tools): Ceilings {
  const ceilings = ceilingsOf(tools, config.denyTools, settings.ceilings?.deny);
  if (ceilings.length > 0) log.info({ ceilings }, 'this worker never runs these tools');
  return ceilings;
}

interface AgentParts {
  readonly models: ModelSource;
  readonly tools: Tools;
  readonly trust: TeamTrust;
}

function openAgents({ config, client, log }: HostOptions, { models, tools, trust }: AgentParts): AgentCache {
  return new AgentCache({
    poolSize: config.agentPoolSize,
    maxEntries: config.agentCacheSize,
    idleMs: config.agentIdleMs,
    findOpenSessions: (sessionIds) => findOpenSessions(client, sessionIds),
    open: (resolved, instanceId) =>
      openTeam(resolved, {
        instanceId,
        tools,
        openModels: () => models.open(),
        ...(config.model.name === undefined ? {} : { modelName: config.model.name }),
        checkTrust: trust.check,
        environment: config.environment,
        log,
      }),
    log,
  });
}

/** It logs a part that fails and goes on with the others. */
async function closeParts(opened: readonly OpenPart[], log: Logger): Promise<void> {
  for (const part of opened.toReversed()) {
    try {
      await part.close();
    } catch (err) {
      log.warn({ err, part: part.name }, 'part of the worker not closed');
    }
  }
}
