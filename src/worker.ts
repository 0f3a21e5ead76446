/**
 * A worker: takes the turns of sessions from the task queue, with its teams opened once and kept.
 *
 * Everything it holds is a cache. Killing it costs time and nothing else.
 */
import { hostname } from 'node:os';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import {
  type Logger as TemporalLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  Worker,
} from '@temporalio/worker';
import type { Logger } from 'pino';
import { AgentCache } from './agents/cache.ts';
import { loadTeam } from './agents/load.ts';
import { openTeam } from './agents/team.ts';
import { TranscriptCache } from './agents/transcripts.ts';
import { archive } from './activities/archive.ts';
import type { WorkerParts } from './activities/conversation.ts';
import { plan, review } from './activities/plan.ts';
import { route } from './activities/route.ts';
import { runAgent } from './activities/run-agent.ts';
import { runTool } from './activities/run-tool.ts';
import { inScope } from './activities/scope.ts';
import type { Config } from './config.ts';
import type { Activities } from './contracts/activities.ts';
import { CopilotError } from './contracts/errors.ts';
import { openModel } from './models/openai.ts';
import { createLogger } from './observability/logging.ts';
import { tools } from './tools/registry.ts';
import { workflowBundle } from './workflow-bundle.ts';

/** How long a stopping worker lets running activities go on before it hands them over. */
const SHUTDOWN_GRACE = '10s';

/**
 * How long a session waits for the worker that had it before any other may take it. It is the longest pause
 * after a worker was killed.
 */
const STICKY_TIMEOUT = '4s';

/** Text of a running model call reaches followers at most this much later. */
const HEARTBEAT_THROTTLE = '100ms';

export interface WorkerOptions {
  /** Server to connect to. Default: Temporal's profile and variables, else `localhost:7233`. */
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
 * @throws CopilotError `ServerUnreachable` where no Temporal server answers
 */
export async function startWorker(config: Config, options: WorkerOptions = {}): Promise<RunningWorker> {
  const log = options.log ?? createLogger(config);
  installRuntime(log);
  const { connection, namespace } = await connect(config, options);
  const identity = `copilot-${process.pid}@${hostname()}`;
  const model = await chooseModel(config);
  const agents = new AgentCache({
    poolSize: config.agentPoolSize,
    maxEntries: config.agentCacheSize,
    open: (resolved, instanceId) =>
      openTeam(resolved, {
        instanceId,
        openModel: () => openModel(model.options),
        ...(config.model.name === undefined ? {} : { modelName: config.model.name }),
        log,
      }),
    log,
  });
  const transcripts = new TranscriptCache();
  const worker = await Worker.create({
    connection,
    namespace,
    identity,
    taskQueue: config.taskQueue,
    workflowBundle: await workflowBundle(config.cacheDir, temporalLogger(log)),
    activities: createActivities(config, { agents, transcripts, identity }),
    shutdownGraceTime: SHUTDOWN_GRACE,
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
  });
  const stopped = run(worker, async () => {
    await agents.close();
    log.info(transcripts.stats(), 'transcript cache statistics');
    await model.close();
    await connection.close();
  });
  return {
    identity,
    model: model.name,
    stopped,
    stop: async () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
      await stopped;
    },
  };
}

async function run(worker: Worker, close: () => Promise<void>): Promise<void> {
  try {
    await worker.run();
  } finally {
    await close();
  }
}

function createActivities(config: Config, parts: WorkerParts): Activities {
  const toolParts = { workspaceRoot: config.workspaceRoot, identity: parts.identity };
  return {
    resolveTeam: (team) =>
      inScope(async () => {
        const resolved = await loadTeam(config.agentsDir, team, tools);
        parts.agents.prime(resolved);
        return resolved;
      }),
    route: (input) => route(parts, input),
    plan: (input) => plan(parts, input),
    review: (input) => review(parts, input),
    runAgent: (input) => runAgent(parts, input),
    runTool: (input) => runTool(toolParts, input),
    archive: () => archive(config.archiveDir),
  };
}

async function connect(
  config: Config,
  { address, namespace }: WorkerOptions,
): Promise<{ connection: NativeConnection; namespace: string }> {
  const profile = loadClientConnectConfig({ overrideEnvVars: { ...config.temporal.environment } });
  const target = address ?? profile.connectionOptions.address ?? 'localhost:7233';
  try {
    return {
      connection: await NativeConnection.connect({ ...profile.connectionOptions, address: target }),
      namespace: namespace ?? profile.namespace ?? 'default',
    };
  } catch (cause) {
    throw new CopilotError(
      'ServerUnreachable',
      { address: target, problem: cause instanceof Error ? cause.message : '' },
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
  const { startOfflineModel } = await import('./models/offline-server.ts');
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
