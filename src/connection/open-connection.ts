/** The gRPC connection to a Temporal server, and what it says about workers. */
import { Connection, type ConnectionLike, defaultGrpcRetryOptions, makeGrpcRetryInterceptor } from '@temporalio/client';
import { CopilotError } from '../contracts/errors.ts';
import { endClosedCalls } from './closed-calls.ts';
import { checkAddress, findConnectionProblem } from './address/connection-problem.ts';
import { innermostMessage } from './grpc-errors.ts';
import type { ServerAddress } from './address/server-address.ts';

const CONNECT_TIMEOUT_MS = 3_000;
/** A waiting worker polls at least once a minute. */
const POLLER_AGE_MS = 75_000;
/** gRPC's default is two minutes, far too long for a server that is being restarted. */
const MAX_RECONNECT_MS = 1_000;
/** gRPC's default is 4 MiB. A page of a history may be larger if somebody sent large signals. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** `temporal.api.enums.v1.TaskQueueType` */
const WORKFLOW_QUEUE = 1;

/** @throws CopilotError `ServerUnreachable` after 3 s, `WrongConnection` that names the setting, `InvalidConfig` */
export async function openConnection(server: ServerAddress): Promise<Connection> {
  checkAddress(server.address);
  let connection: Connection | undefined;
  try {
    connection = prepareConnection(server);
    await connection.ensureConnected();
    return connection;
  } catch (cause) {
    await connection?.close();
    throw (await findConnectionProblem(server, cause)) ?? serverUnreachable(server.address, cause);
  }
}

/** Throws for certificates that cannot be parsed. */
function prepareConnection({ address, credentials }: ServerAddress): Connection {
  return Connection.lazy({
    ...credentials,
    address,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
      'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
      // gRPC's own default is the proxy of `https_proxy`, which is for models, also for a server on this machine. The
      // connections of workers know no such variable.
      'grpc.enable_http_proxy': 0,
    },
    // Retries for about three seconds in all. A session accepts 10 updates at a time, so more senders wait a moment.
    interceptors: [
      makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 6, initialIntervalMs: () => 100 })),
      endClosedCalls,
    ],
  });
}

export function serverUnreachable(address: string, cause: unknown): CopilotError {
  return new CopilotError('ServerUnreachable', { address, problem: innermostMessage(cause) }, { cause });
}

export function noNamespace(address: string, namespace: string, cause: unknown): CopilotError {
  const problem = `the server at ${address} has no such namespace`;
  return new CopilotError('InvalidConfig', { name: 'TEMPORAL_NAMESPACE', value: namespace, problem }, { cause });
}

/**
 * Identities of the workers that poll for sessions, each once. A worker that has just died stays in the list for up
 * to 75 s.
 * @throws what the SDK throws
 */
export async function findWorkers(connection: ConnectionLike, namespace: string, taskQueue: string): Promise<string[]> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW_QUEUE,
  });
  const since = Date.now() - POLLER_AGE_MS;
  const alive = pollers.filter(({ lastAccessTime }) => milliseconds(lastAccessTime) > since);
  return [...new Set(alive.map(({ identity }) => identity ?? ''))].sort();
}

/** A time or a length of time of Temporal's API in ms. 0 if there is none. */
export function milliseconds(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  // A Long, which has a decimal text.
  return Number(time?.seconds ?? 0) * 1_000 + Math.floor((time?.nanos ?? 0) / 1_000_000);
}
