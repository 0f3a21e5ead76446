/**
 * A worker: takes the turns of sessions from the task queue, with its teams opened once and kept.
 *
 * Everything it holds is a cache. Killing it costs time and nothing else.
 */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import {
  type Logger as TemporalLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions as SdkOptions,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import { AgentCache } from './agents/cache/agent-cache.ts';
import { loadTeam } from './agents/files/load-team.ts';
import { openTeam } from './agents/team.ts';
import { TranscriptCache } from './agents/transcripts.ts';
import { archive } from './activities/archive.ts';
import type { WorkerParts } from './activities/conversation.ts';
import { plan, review } from './activities/plan.ts';
import { writeReports } from './activities/reports.ts';
import { route } from './activities/route.ts';
import { runAgent } from './activities/run-agent.ts';
import { runTool } from './activities/run-tool.ts';
import { inScope } from './activities/scope.ts';
import { summarise } from './activities/summarise.ts';
import { findServer } from './connection/server-address.ts';
import type { Config } from './config.ts';
import type { Activities } from './contracts/activities.ts';
import { CopilotError } from './contracts/errors.ts';
import { buildName, isSameBuild, makeCurrentCommand, readBuilds } from './worker/deployment.ts';
import { openModel } from './models/openai.ts';
import { startAdmin } from './worker/admin.ts';
import { createLogger } from './worker/logging.ts';
import { createWorkerDataConverter } from './storage/data-converter.ts';
import { failWhereUsed, type Unreadable } from './storage/unreadable.ts';
import { type TeamTrust, teamTrust } from './tools/mcp/trust.ts';
import { tools } from './tools/registry.ts';
import { workflowBundle } from './worker/bundle.ts';

/** How long a stopping worker lets running activities go on before it stops them and hands them over. */
const SHUTDOWN_GRACE = '10s';

/**
 * After how long it ends with an error although an activity has not stopped: before the 30 s after which Docker and
 * Kubernetes kill it, with time to close its agents.
 */
const SHUTDOWN_FORCE = '15s';

/**
 * How long a session waits for the worker that had it before any other may take it. It is the longest pause
 * after a worker was killed.
 */
const STICKY_TIMEOUT = '4s';

/** Bytes of heap for everything but sessions. */
const HEAP_OF_WORKER = 512 * 1_024 * 1_024;
/** Bytes of heap for a session: 0.5 to 1 MiB were measured after a planned turn; it may carry 1.5 MiB of JSON. */
const HEAP_OF_SESSION = 4 * 1_024 * 1_024;
const MIN_OPEN_SESSIONS = 10;

/** Text of a running model call reaches followers at most this much later. */
const HEARTBEAT_THROTTLE = '100ms';

/** In the home folder: MCP servers that the worker's own teams have, or had. */
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
  /** Settles when the worker has stopped; rejects where it stopped by an error. */
  readonly stopped: Promise<void>;
  /** Lets running activities end or hands them over, then closes agents and connections. */
  stop(): Promise<void>;
}

/**
 * Connects, opens the caches and begins to poll.
 * @throws CopilotError `ServerUnreachable` where no Temporal server answers, `InvalidConfig`
 */
export async function startWorker(config: Config, options: WorkerOptions = {}): Promise<RunningWorker> {
  const log = options.log ?? createLogger(config);
  installRuntime(log);
  const opened: OpenPart[] = [];
  try {
    const { worker, model } = await openParts(config, options, log, opened);
    const stopped = run(worker, () => closeParts(opened, log));
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

async function run(worker: Worker, close: () => Promise<void>): Promise<void> {
  try {
    await worker.run();
  } finally {
    await close();
  }
}

/** Something that is to be closed when the worker ends, however it ends. */
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
  const model = await chooseModel(config);
  opened.push({ name: 'model', close: () => model.close() });
  const transcripts = new TranscriptCache();
  const trust = teamTrust({
    folder: join(config.homeDir, TRUSTED_TEAMS),
    trustsAll: config.trustTeams,
    load: (team) => loadTeam(config.agentsDir, team, tools),
    log,
  });
  const agents = openAgents(config, { model, trust, log });
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
    workflowBundle: await workflowBundle(config, temporalLogger(log)),
    dataConverter: createWorkerDataConverter(config, loggedUnreadable(log)),
    activities: createActivities(config, { agents, transcripts, identity }, trust),
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
    maxCachedWorkflows: openSessions(),
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    ...deploymentOptions(config),
  });
  await warnUnlessCurrent(config, { connection, address, namespace }, log);
  const admin = await startAdmin({ config, identity, agents, transcripts, log });
  opened.push({ name: 'admin', close: () => admin.close() });
  return { worker, model: model.name };
}

/**
 * Sessions that this worker holds open at a time; any other is replayed from its history when it is needed. The SDK's
 * own default fills the heap with some 2,000 of them, and ends the process.
 */
function openSessions(): number {
  const heap = getHeapStatistics().heap_size_limit;
  return Math.max(MIN_OPEN_SESSIONS, Math.floor((heap - HEAP_OF_WORKER) / HEAP_OF_SESSION));
}

/** Runs stay on the build that they began on, unless the workflow code says otherwise. */
function deploymentOptions({ build }: Config): Pick<SdkOptions, 'workerDeploymentOptions'> {
  return build
    ? { workerDeploymentOptions: { version: build, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' } }
    : {};
}

/** Nothing begins on a build that is not current, and nothing else would say why. */
async function warnUnlessCurrent(
  { build, taskQueue }: Config,
  { connection, address, namespace }: Connected,
  log: Logger,
): Promise<void> {
  try {
    const { current } = await readBuilds(connection.workflowService, namespace, taskQueue);
    if (isSameBuild(build, current)) return;
    const command = build && `; to change that: ${makeCurrentCommand(build, address, namespace)}`;
    log.warn({ build, current }, `sessions begin on ${buildName(current)}, not on this worker${command ?? ''}`);
  } catch (err) {
    log.warn({ err, build }, 'the build that sessions begin on cannot be read');
  }
}

/** How often a worker says that it cannot read something, in ms: whoever sends it must not fill the log. */
const UNREADABLE_LOG_INTERVAL_MS = 60_000;

/**
 * What this worker lacks the key or the store for fails where it is used, and Temporal tries it again, on a worker that
 * may have them. The log says so once a minute for as long as it lasts.
 */
function loggedUnreadable(log: Logger): Unreadable {
  let lastSaidMs = 0;
  let unreadable = 0;
  return (problem, context) => {
    unreadable++;
    if (Date.now() - lastSaidMs >= UNREADABLE_LOG_INTERVAL_MS) {
      log.error({ sessionId: context?.workflowId, unreadable, ...problem.details }, `cannot read: ${problem.message}`);
      lastSaidMs = Date.now();
      unreadable = 0;
    }
    return failWhereUsed(problem);
  };
}

/** The last opened first. One that fails is logged, and the others are still closed. */
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
  readonly model: ChosenModel;
  readonly trust: TeamTrust;
  readonly log: Logger;
}

function openAgents(config: Config, { model, trust, log }: AgentParts): AgentCache {
  return new AgentCache({
    poolSize: config.agentPoolSize,
    maxEntries: config.agentCacheSize,
    open: (resolved, instanceId) =>
      openTeam(resolved, {
        instanceId,
        openModel: () => openModel(model.options),
        ...(config.model.name === undefined ? {} : { modelName: config.model.name }),
        checkTrust: trust.check,
        environment: config.environment,
        log,
      }),
    log,
  });
}

function createActivities(config: Config, parts: WorkerParts, trust: TeamTrust): Activities {
  const toolParts = { ...parts, workspaceRoot: config.workspaceRoot, network: config.network };
  return {
    resolveTeam: (team) =>
      inScope(async () => {
        const resolved = await loadTeam(config.agentsDir, team, tools);
        await trust.remember(resolved.definition);
        parts.agents.prime(resolved);
        return resolved;
      }),
    route: (input) => route(parts, input),
    plan: (input) => plan(parts, input),
    review: (input) => review(parts, input),
    runAgent: (input) => runAgent(parts, input),
    runTool: (input) => runTool(toolParts, input),
    summarise: (input) => summarise(parts, config.archiveDir, input),
    writeReports: (input) => writeReports(config.workspaceRoot, input),
    archive: () => archive(config.archiveDir),
  };
}

interface Connected {
  readonly connection: NativeConnection;
  readonly address: string;
  readonly namespace: string;
}

async function connect(config: Config, options: WorkerOptions): Promise<Connected> {
  const { address, namespace, credentials } = await findServer(config, options);
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

interface ChosenModel {
  readonly name: string;
  readonly options: { readonly apiKey?: string; readonly baseUrl?: string };
  close(): Promise<void>;
}

/** The model API that the environment names, or the embedded offline model where it names none. */
async function chooseModel({ model }: Config): Promise<ChosenModel> {
  if (model.apiKey !== undefined || model.baseUrl !== undefined) {
    return { name: model.baseUrl ?? 'OpenAI', options: model, close: () => Promise.resolve() };
  }
  const { startOfflineModel } = await import('../dev/offline-model/server.ts');
  const offline = await startOfflineModel();
  return { name: 'offline', options: { baseUrl: offline.baseUrl, apiKey: 'offline' }, close: () => offline.close() };
}

/** The SDK has one runtime in a process; the first worker's log is the log of all. */
function installRuntime(log: Logger): void {
  if (Runtime._instance) return;
  Runtime.install({
    logger: temporalLogger(log),
    shutdownSignals: [],
    telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} } },
  });
}

/** The SDK's remarks in our log; its routine ones only with `COPILOT_LOG_LEVEL=debug`. */
function temporalLogger(log: Logger): TemporalLogger {
  const at = (level: 'trace' | 'debug' | 'warn' | 'error') => (message: string, meta?: object) =>
    log[level](meta ?? {}, message);
  const error = at('error');
  const warn = at('warn');
  const debug = at('debug');
  const trace = at('trace');
  const levels = { TRACE: trace, DEBUG: debug, INFO: debug, WARN: warn, ERROR: error };
  return { log: (level, message, meta) => levels[level](message, meta), trace, debug, info: debug, warn, error };
}
