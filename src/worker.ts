/**
 * A worker takes the turns of sessions from the task queue. It opens teams once and keeps them.
 *
 * Everything it holds is a cache. Killing it costs time and nothing else.
 */
import { hostname } from 'node:os';
import { Client, type ConnectionLike } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { z } from 'zod';
import { checkInput } from './client/checked-input.ts';
import type { GivenServer } from './connection/address/given.ts';
import { findServer, refuseGuess } from './connection/address/server-address.ts';
import { withRepeatedQueries } from './connection/early-query.ts';
import { openConnection, serverUnreachable } from './connection/open-connection.ts';
import type { Config } from './config.ts';
import { CopilotError } from './contracts/errors.ts';
import { createWorkerDataConverter } from './storage/data-converter.ts';
import { prepareBundle } from './worker/bundle/bundle.ts';
import { type Connected, deploymentOptions, prepareServer, warnUnlessCurrent } from './worker/deployment.ts';
import { createActivities, type HostParts } from './worker/host/activities.ts';
import { nameSessions } from './worker/host/log-attributes.ts';
import { type Host, openHost } from './worker/host/host.ts';
import { createLogger, logUnreadable } from './worker/logging.ts';
import { hostConfig, type HostingOptions } from './worker/options.ts';
import { newOperated, openOperatorPort, type Operated } from './operator-port.ts';
import { readinessOf } from './worker/readiness.ts';
import { installRuntime, toTemporalLogger } from './worker/runtime.ts';
import { traceSinks } from './tracing/session-spans.ts';
import { requirePackage } from './optional-package.ts';
import { sessionSettings } from './worker/settings.ts';

export { type CopilotConfig, defineConfig, type ProviderSettings } from './config-file.ts';
export { CopilotError } from './contracts/errors.ts';
export type { ToolProgress } from './contracts/progress.ts';
export type { Code, CodeOutcome, CodeRequest, CodeRunner, LimitHit } from './tools/code/code-runner.ts';
export { type ContainerOptions, containerRunner } from './tools/code/container-runner.ts';
export { defineTool } from './tools/definition/define-tool.ts';
export type { ApprovalContext, Tool, ToolContext, ToolDefinition, ToolResult } from './tools/definition/tool.ts';
export { OutcomeUnknown } from './tools/outcome-unknown.ts';
export type { ObjectStore } from './storage/stores/object-store.ts';
export type { HostingOptions } from './worker/options.ts';
export { copilotPlugin, type SessionsPlugin } from './worker/plugin.ts';

/**
 * After this time a stopping worker ends with an error although an activity has not stopped. Docker and Kubernetes kill
 * it after 30 s, and it needs some of that to close its agents.
 */
const SHUTDOWN_FORCE = '15s';

export interface WorkerOptions extends HostingOptions {
  /** A `NativeConnection` of `@temporalio/worker` that the worker uses and leaves open, in place of `address`. */
  readonly connection?: ConnectionLike | undefined;
  /** `host:port` of the server. Default: as for a client. */
  readonly address?: string | undefined;
  /** Default: as for a client; with `connection`, TEMPORAL_NAMESPACE or `default`. */
  readonly namespace?: string | undefined;
  /** TLS to the server: `true`, or certificates as in `NativeConnection.connect`. Default: as for a client. */
  readonly tls?: GivenServer['tls'];
  /** API key of the server, for example of Temporal Cloud. Default: as for a client. */
  readonly apiKey?: string | undefined;
  /** In place of COPILOT_TASK_QUEUE. */
  readonly taskQueue?: string | undefined;
  /**
   * Sessions that it keeps open at a time, at least 2; it replays others from their history. Default: what the heap of
   * the process takes, 4 MiB for each. Several workers in a process share one heap.
   */
  readonly maxOpenSessions?: number | undefined;
  /** Clients need the same. Default: made from the keys and the payload store in `config`. */
  readonly dataConverter?: DataConverter | undefined;
}

const OwnOptions = z.object({
  taskQueue: z.string().min(1, 'it is empty').max(200).optional(),
  maxOpenSessions: z.int().min(2).optional(),
});

export interface RunningWorker {
  readonly identity: string;
  /** The model's name for people: a base URL, `OpenAI`, the name of a provider, or `offline`. */
  readonly model: string;
  /** Settles when the worker has stopped. Rejects if an error stopped it. */
  readonly stopped: Promise<void>;
  /**
   * Stops polling, and drains: running activities have 10 s to end, then another worker gets them. After that it closes
   * agents and connection. Settles as `stopped` does. Any number of calls.
   */
  stop(): Promise<void>;
}

/**
 * Starts a worker in this process and polls. A process may have several, for different task queues, namespaces, servers
 * or teams. It handles no signals: call `stop` when yours come.
 *
 * It uses the `Runtime` of `@temporalio/worker` that the process has, or installs one. If you install your own, do that
 * before.
 * @throws CopilotError `ServerUnreachable` if no Temporal server answers; `WrongConnection`, which names the setting of TLS
 *   or the API key that is wrong; `HomeServerDown` if nobody named a server and that of the home folder is not running;
 *   `InvalidConfig`, `InvalidInput`, `InvalidTool`; `PackageMissing` without `@temporalio/worker` or a package of the model
 */
export async function startWorker(options: WorkerOptions = {}): Promise<RunningWorker> {
  const { metricsPort: port } = hostConfig(options);
  if (port === undefined) return await startOperated(options, newOperated());
  const operated = newOperated();
  const listener = await openOperatorPort(port, operated);
  const worker = await startOperated(options, operated).catch(async (error: unknown) => {
    await listener.close();
    throw error;
  });
  const stopped = closeAfter(worker.stopped, () => listener.close());
  return {
    ...worker,
    stopped,
    stop: async () => {
      await worker.stop();
      await stopped;
    },
  };
}

async function closeAfter(stopped: Promise<void>, close: () => Promise<void>): Promise<void> {
  try {
    await stopped;
  } finally {
    await close();
  }
}

/**
 * Starts a worker whose port for operators somebody else has opened, perhaps long before the server was there.
 * @throws CopilotError as {@link startWorker}
 */
export async function startOperated(options: WorkerOptions, operated: Operated): Promise<RunningWorker> {
  requirePackage('@temporalio/worker', 'A worker');
  const { taskQueue } = checkInput(OwnOptions, options, '');
  const config = { ...hostConfig(options), ...(taskQueue === undefined ? {} : { taskQueue }) };
  const log = options.log ?? createLogger(config);
  const connected = await connect(config, options, log);
  const disconnect = async (): Promise<void> => {
    if (options.connection === undefined) await connected.connection.close();
  };
  let host: Host | undefined;
  const close = async (): Promise<void> => {
    await host?.close();
    await disconnect().catch((err: unknown) => log.warn({ err }, 'connection not closed'));
  };
  try {
    await prepareServer(connected, log);
    const identity = newIdentity();
    const { connection, namespace } = connected;
    const client = new Client({ connection, namespace });
    host = await openHost({ config, settings: options, archive: options.archive, identity, client, operated, log });
    const worker = await createWorker(config, options, { ...connected, identity, host, log });
    await warnUnlessCurrent(config, connected, log);
    operated.ready = readinessOf(worker, connection);
    return running(worker, host.model, log, close);
  } catch (error) {
    await close();
    throw error;
  }
}

let workersStarted = 0;

/** Tells the workers of one process apart. */
function newIdentity(): string {
  workersStarted += 1;
  return `copilot-${process.pid}${workersStarted === 1 ? '' : `-${workersStarted}`}@${hostname()}`;
}

interface Opened extends Connected {
  readonly identity: string;
  readonly host: Host;
  readonly log: Logger;
}

async function createWorker(
  config: Config,
  { dataConverter, maxOpenSessions }: WorkerOptions,
  { connection, namespace, identity, host, log }: Opened,
): Promise<Worker> {
  const { Worker: Created } = await import('@temporalio/worker');
  return await Created.create({
    ...sessionSettings(maxOpenSessions),
    connection,
    namespace,
    identity,
    taskQueue: config.taskQueue,
    workflowBundle: await prepareBundle(config, toTemporalLogger(log), dataConverter),
    dataConverter: dataConverter ?? createWorkerDataConverter(config, logUnreadable(log)),
    activities: createActivities(config, Promise.resolve<HostParts>(host.parts)),
    interceptors: { activity: [nameSessions], client: withRepeatedQueries() },
    sinks: traceSinks(Promise.resolve(host.parts.traces)),
    shutdownForceTime: SHUTDOWN_FORCE,
    workflowTaskPollerBehavior: { type: 'autoscaling' },
    activityTaskPollerBehavior: { type: 'autoscaling' },
    ...deploymentOptions(config),
  });
}

function running(worker: Worker, model: string, log: Logger, close: () => Promise<void>): RunningWorker {
  const stopped = closeAfter(worker.run(), close);
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
}

async function connect(config: Config, options: WorkerOptions, log: Logger): Promise<Connected> {
  const { connection } = options;
  const { NativeConnection } = await import('@temporalio/worker');
  if (connection !== undefined) {
    if (!(connection instanceof NativeConnection)) {
      const problem = 'it is no `NativeConnection` of `@temporalio/worker`; open one with `NativeConnection.connect`';
      throw new CopilotError('InvalidInput', { what: 'connection', problem });
    }
    refuseBoth(options);
    const { TEMPORAL_NAMESPACE: named = 'default' } = config.temporal.environment;
    return { connection, address: 'the given connection', namespace: options.namespace ?? named };
  }
  const server = await findServer(config, options);
  refuseGuess(server);
  const { address, namespace, credentials } = server;
  // A client's connection says which setting is wrong; a worker's does not.
  const trial = await openConnection(server);
  await trial.close();
  // Not earlier: it keeps the process alive until a connection has been there.
  installRuntime(toTemporalLogger(log));
  try {
    return { connection: await NativeConnection.connect({ ...credentials, address }), address, namespace };
  } catch (cause) {
    throw serverUnreachable(address, cause);
  }
}

/** @throws CopilotError `InvalidInput` if the caller also says how to open a connection */
function refuseBoth(options: WorkerOptions): void {
  const other = (['address', 'tls', 'apiKey'] as const).find((name) => options[name] !== undefined);
  if (other === undefined) return;
  const problem = `${other} is given too, and an open connection has its own; leave one of them out`;
  throw new CopilotError('InvalidInput', { what: 'connection', problem });
}
