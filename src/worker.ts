/**
 * A worker takes the turns of sessions from the task queue. It opens teams once and keeps them.
 *
 * Everything it holds is a cache. Killing it costs time and nothing else.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { AgentCache } from './agents/cache/agent-cache.ts';
import { loadTeam } from './agents/files/load-team.ts';
import { openTeam } from './agents/team.ts';
import { TranscriptCache } from './agents/transcripts.ts';
import { archive } from './activities/archive.ts';
import type { WorkerParts } from './activities/agent-call.ts';
import { checkCall } from './activities/check-call.ts';
import { inspectTeam } from './activities/inspect-team.ts';
import { plan, review } from './activities/plan.ts';
import { writeReports } from './activities/reports.ts';
import { route } from './activities/route.ts';
import { runAgent } from './activities/run-agent.ts';
import { runTool, settleTool } from './activities/run-tool.ts';
import { RunningCalls } from './activities/running-calls.ts';
import { inScope } from './activities/scope.ts';
import { summarise } from './activities/summarise.ts';
import { findServer, refuseGuess } from './connection/address/server-address.ts';
import type { Config } from './config.ts';
import { type CopilotConfig, loadConfigFile } from './config-file.ts';
import type { Activities } from './contracts/activities.ts';
import { CopilotError } from './contracts/errors.ts';
import type { ResolvedTeam } from './contracts/team.ts';
import { createWorkerDataConverter } from './storage/data-converter.ts';
import { type Ceilings, ceilingsOf } from './tools/approval/ceilings.ts';
import { type TeamTrust, teamTrust } from './tools/mcp/trust.ts';
import { type Tools, withOwnTools } from './tools/registry.ts';
import { startAdmin } from './worker/admin.ts';
import { prepareBundle } from './worker/bundle.ts';
import { type Connected, deploymentOptions, warnUnlessCurrent } from './worker/deployment.ts';
import { createLogger, logUnreadable } from './worker/logging.ts';
import { type ModelSource, openModelSource } from './worker/model-source.ts';
import { findOpenSessions } from './worker/open-sessions.ts';
import { installRuntime, toTemporalLogger } from './worker/runtime.ts';
import { warmTeams } from './worker/warm-teams.ts';

export { type CopilotConfig, defineConfig, type ProviderSettings } from './config-file.ts';
export { CopilotError } from './contracts/errors.ts';
export type { ToolProgress } from './contracts/progress.ts';
export { defineTool } from './tools/definition/define-tool.ts';
export type { ApprovalContext, Tool, ToolContext, ToolDefinition, ToolResult } from './tools/definition/tool.ts';
export { OutcomeUnknown } from './tools/outcome-unknown.ts';

/** A stopping worker lets running activities go on for this long. Then it stops them, and another worker runs them. */
const SHUTDOWN_GRACE = '10s';

/**
 * After this time a stopping worker ends with an error although an activity has not stopped. Docker and Kubernetes kill
 * it after 30 s, and it needs some of that to close its agents.
 */
const SHUTDOWN_FORCE = '15s';

/**
 * A session waits this long for the worker that had it before another one may take it. So it is the longest pause after
 * a worker was killed.
 */
const STICKY_TIMEOUT = '4s';

/**
 * Longest time that the SDK lets the workflow code of one task run. Its default of 5 s ends the code of a worker that was
 * frozen in the middle of it, as soon as the worker goes on. What it leaves half done then aborts the whole process on
 * Node 22 ("async hook stack has become corrupted"), and can mix up sessions that share a thread.
 */
const frozenTaskOptions = { isolateExecutionTimeout: '10m' };

/** Heap in bytes for everything but sessions. */
const HEAP_OF_WORKER = 512 * 1_024 * 1_024;
/** Heap in bytes for a session. We measured 0.5 to 1 MiB after a planned turn, and a session may carry 1.5 MiB of JSON. */
const HEAP_OF_SESSION = 4 * 1_024 * 1_024;
const MIN_OPEN_SESSIONS = 10;

/** Text of a running model call reaches followers at most this much later. */
const HEARTBEAT_THROTTLE = '100ms';

/** Folder in the home folder with the MCP servers that the worker's own teams have or had. */
const TRUSTED_TEAMS = 'trusted-teams';

export interface WorkerOptions {
  /** Server to connect to. Default: as for a client. */
  readonly address?: string;
  readonly namespace?: string;
  readonly log?: Logger;
}

export interface RunningWorker {
  readonly identity: string;
  /** The model's name for people: a base URL, `OpenAI`, or `offline`. */
  readonly model: string;
  /** Settles when the worker has stopped. Rejects if an error stopped it. */
  readonly stopped: Promise<void>;
  /** Lets running activities end, or leaves them to another worker, then closes agents and connections. */
  stop(): Promise<void>;
}

/**
 * Connects, opens the caches and begins to poll.
 * @throws CopilotError `ServerUnreachable` if no Temporal server answers; `HomeServerDown` if nobody named a server and
 *   that of the home folder is not running; `InvalidConfig`
 */
export async function startWorker(config: Config, options: WorkerOptions = {}): Promise<RunningWorker> {
  const log = options.log ?? createLogger(config);
  installRuntime(toTemporalLogger(log));
  const opened: OpenPart[] = [];
  try {
    const { worker, model } = await openParts(config, options, log, opened);
    const stopped = runUntilStopped(worker, () => closeParts(opened, log));
    return {
      identity: worker.options.identity,
      model,
      stopped,
      stop: async () => {
        if (worker.getState() === 'RUNNING') {
          log.info({ activities: worker.getStatus().numInFlightActivities }, 'worker stops');
          worker.shutdown();
        }
        await stopped;
      },
    };
  } catch (error) {
    await closeParts(opened, log);
    throw error;
  }
}

async function runUntilStopped(worker: Worker, close: () => Promise<void>): Promise<void> {
  try {
    await worker.run();
  } finally {
    await close();
  }
}

/** Something to close when the worker ends, however it ends. */
interface OpenPart {
  readonly name: string;
  close(): Promise<void>;
}

/** Opens everything, and adds each part to `opened` as soon as there is something to close. */
async function openParts(
  config: Config,
  options: WorkerOptions,
  log: Logger,
  opened: OpenPart[],
): Promise<{ worker: Worker; model: string }> {
  const { connection, address, namespace } = await connect(config, options);
  opened.push({ name: 'connection', close: () => connection.close() });
  const identity = `copilot-${process.pid}@${hostname()}`;
  const file = await loadConfigFile(process.cwd());
  const { tools, ceilings } = readTools(config, file, log);
  const models = await openModelSource(config, file, (lesson) =>
    log.info(lesson, 'the model does not take this; it is left out from now on'),
  );
  opened.push({ name: 'models', close: () => models.close() });
  const transcripts = new TranscriptCache();
  const trust = teamTrust({
    folder: join(config.homeDir, TRUSTED_TEAMS),
    trustsAll: config.trustTeams,
    load: (team) => loadTeam(config.agentsDir, team, tools),
    log,
  });
  const client = new Client({ connection, namespace });
  const agents = openAgents(config, { models, tools, trust, client, log });
  opened.push({
    name: 'agents',
    close: async () => {
      const { instances } = agents.stats();
      await agents.close();
      log.info({ instances, closeFailures: agents.stats().closeFailures }, 'agent teams closed');
      log.info(transcripts.stats(), 'transcript cache statistics');
    },
  });
  const worker = await Worker.create({
    connection,
    namespace,
    identity,
    taskQueue: config.taskQueue,
    workflowBundle: await prepareBundle(config, toTemporalLogger(log)),
    dataConverter: createWorkerDataConverter(config, logUnreadable(log)),
    activities: createActivities(config, { agents, transcripts, identity, ceilings, tools, log }, trust),
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
    ...frozenTaskOptions,
    maxCachedWorkflows: maxOpenSessions(),
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    ...deploymentOptions(config),
  });
  await warnUnlessCurrent(config, { connection, address, namespace }, log);
  const admin = await startAdmin({ config, identity, agents, transcripts, log });
  opened.push({ name: 'admin', close: () => admin.close() });
  if (config.warm) {
    const warming = warmTeams(config, { agents, trust, tools, log });
    opened.push({ name: 'warming', close: () => warming.stop() });
  }
  return { worker, model: models.name };
}

function readTools(
  { denyTools }: Config,
  file: CopilotConfig,
  log: Logger,
): { readonly tools: Tools; readonly ceilings: Ceilings } {
  const tools = withOwnTools(file.tools);
  const ceilings = ceilingsOf(tools, denyTools, file.ceilings?.deny);
  if (ceilings.length > 0) log.info({ ceilings }, 'this worker never runs these tools');
  return { tools, ceilings };
}

/**
 * Sessions that this worker holds open at a time. It replays any other from its history when it needs it. The SDK's own
 * default holds some 2,000, which fills the heap and ends the process.
 */
function maxOpenSessions(): number {
  const heap = getHeapStatistics().heap_size_limit;
  return Math.max(MIN_OPEN_SESSIONS, Math.floor((heap - HEAP_OF_WORKER) / HEAP_OF_SESSION));
}

/** Closes the last opened first. It logs a part that fails and goes on with the others. */
async function closeParts(opened: readonly OpenPart[], log: Logger): Promise<void> {
  for (const part of opened.toReversed()) {
    try {
      await part.close();
    } catch (err) {
      log.warn({ err, part: part.name }, 'part of the worker not closed');
    }
  }
}

interface AgentParts {
  readonly models: ModelSource;
  readonly tools: Tools;
  readonly trust: TeamTrust;
  readonly client: Client;
  readonly log: Logger;
}

function openAgents(config: Config, { models, tools, trust, client, log }: AgentParts): AgentCache {
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

function createActivities(
  config: Config,
  { log, ...opened }: Omit<WorkerParts, 'workspaceRoot'> & Pick<AgentParts, 'log'>,
  trust: TeamTrust,
): Activities {
  const parts = { ...opened, workspaceRoot: config.workspaceRoot };
  const toolParts = { ...parts, calls: new RunningCalls(), network: config.network, log };
  const { tools } = parts;
  const load = (team: string): Promise<ResolvedTeam> => loadTeam(config.agentsDir, team, tools);
  return {
    copilotResolveTeam: (team) =>
      inScope(async () => {
        const resolved = await load(team);
        await trust.remember(resolved.definition);
        parts.agents.prime(resolved);
        return resolved;
      }),
    copilotInspectTeam: (team) => inScope(() => inspectTeam({ trust, tools, load }, team)),
    copilotRoute: (input) => route(parts, input),
    copilotPlan: (input) => plan(parts, input),
    copilotReview: (input) => review(parts, input),
    copilotRunAgent: (input) => runAgent(parts, input),
    copilotRunTool: (input) => runTool(toolParts, input),
    copilotSettleTool: (input) => settleTool(toolParts, input),
    copilotCheckCall: (input) => checkCall(parts, input),
    copilotSummarise: (input) => summarise(parts, config.archiveDir, input),
    copilotWriteReports: (input) => writeReports(config.workspaceRoot, input),
    copilotArchive: () => archive(parts.agents, config.archiveDir),
  };
}

async function connect(config: Config, options: WorkerOptions): Promise<Connected> {
  const server = await findServer(config, options);
  refuseGuess(server);
  const { address, namespace, credentials } = server;
  try {
    return { connection: await NativeConnection.connect({ ...credentials, address }), address, namespace };
  } catch (cause) {
    throw new CopilotError(
      'ServerUnreachable',
      { address, problem: cause instanceof Error ? cause.message : '' },
      { cause },
    );
  }
}
