/** The way to the server: calls with a time limit and a signal, and plain words for what goes wrong. */
import { setMaxListeners } from 'node:events';
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  WorkflowNotFoundError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { type Config, loadConfig } from '../config.ts';
import { CopilotError, fromFailure } from '../contracts/errors.ts';
import { createDataConverter } from '../storage/data-converter.ts';
import { omit } from '../storage/unreadable.ts';
import { endClosedCalls } from './closed-calls.ts';
import { findServer, type ServerAddress } from './server-address.ts';

const CONNECT_TIMEOUT_MS = 3_000;
const HEALTH_TIMEOUT_MS = 2_000;
/**
 * How long the server must know of no worker until there is none. After an absence of the server it knows of no worker
 * at first, and the SDK lets a worker pause for up to 12 s (10 s and a fifth) before it asks again.
 */
export const ABSENCE_MS = 15_000;
/** A waiting worker asks again at least once a minute. */
const POLLER_AGE_MS = 75_000;
/** gRPC's own is two minutes: far too long for a server that is being restarted. */
const MAX_RECONNECT_MS = 1_000;
const DEFAULT_TIMEOUT_MS = 15_000;
/** gRPC's own is 4 MiB; a page of a history may be more, where somebody sent large signals. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
const CANCELLED = 1;
const UNKNOWN = 2;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;
const TRANSIENT = [
  CANCELLED,
  UNKNOWN,
  DEADLINE_EXCEEDED,
  RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION,
  ABORTED,
  INTERNAL,
  UNAVAILABLE,
];

/** `temporal.api.enums.v1.TaskQueueType` */
const WORKFLOW_QUEUE = 1;

export interface ConnectOptions {
  /** Default: read from the environment. */
  readonly config?: Config | undefined;
  /** `host:port`. Default: TEMPORAL_ADDRESS or profile, the server that serves this home folder, `localhost:7233`. */
  readonly address?: string | undefined;
  /** Default: TEMPORAL_NAMESPACE or profile, else `default`. */
  readonly namespace?: string | undefined;
  /** Must be the workers' own. Default: by the keys and the payload store of `config`; plain JSON without them. */
  readonly dataConverter?: DataConverter | undefined;
  /**
   * How long a message is sent again while server or workers do not answer, in ms. Default 60,000. Where the server
   * knows of no worker at all, `NoWorker` comes after some 15 s.
   */
  readonly retryForMs?: number | undefined;
}

export interface CallOptions {
  /** Default 15 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Health = 'ok' | 'no-worker' | 'no-server';

/** @throws CopilotError `ServerUnreachable` after 3 s */
export async function openConnection({ address, credentials }: ServerAddress): Promise<Connection> {
  const connection = Connection.lazy({
    ...credentials,
    address,
    connectTimeout: CONNECT_TIMEOUT_MS,
    channelArgs: {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
    },
    // About three seconds in all. A session takes 10 updates at a time: more senders than that wait for a moment.
    interceptors: [
      makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 6, initialIntervalMs: () => 100 })),
      endClosedCalls,
    ],
  });
  try {
    await connection.ensureConnected();
    return connection;
  } catch (cause) {
    await connection.close();
    throw unreachable(address, cause);
  }
}

/**
 * Identities of the workers that ask for sessions, each once; one that has just died is among them for up to 75 s.
 * @throws what the SDK throws
 */
export async function findWorkers(connection: Connection, namespace: string, taskQueue: string): Promise<string[]> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW_QUEUE,
  });
  const since = Date.now() - POLLER_AGE_MS;
  const alive = pollers.filter(({ lastAccessTime }) => (optionalTsToMs(lastAccessTime) ?? 0) > since);
  return [...new Set(alive.map(({ identity }) => identity ?? ''))].sort();
}

/** Owns one connection to a server, and knows what its failures mean. */
export class ServerLink {
  readonly client: Client;
  /** For lists, which sessions with a key that is missing here do not break: their memo is left out. */
  readonly lister: Client;
  readonly config: Config;
  readonly server: ServerAddress;
  readonly retryForMs: number;
  readonly #connection: Connection;
  #isClosed = false;

  private constructor(connection: Connection, server: ServerAddress, config: Config, options: ConnectOptions) {
    const { dataConverter = createDataConverter(config), retryForMs = 60_000 } = options;
    this.#connection = connection;
    this.server = server;
    this.config = config;
    this.retryForMs = retryForMs;
    const { namespace } = server;
    this.client = new Client({ connection, namespace, dataConverter });
    const forgiving = options.dataConverter ?? createDataConverter(config, omit);
    this.lister = new Client({ connection, namespace, dataConverter: forgiving });
  }

  /** @throws CopilotError `ServerUnreachable` after 3 s, `InvalidConfig` */
  static async open(options: ConnectOptions = {}): Promise<ServerLink> {
    const config = options.config ?? loadConfig();
    const server = await findServer(config, options);
    return new ServerLink(await openConnection(server), server, config, options);
  }

  get namespace(): string {
    return this.server.namespace;
  }

  /**
   * Runs calls of the SDK within a time limit.
   * @throws what the SDK throws, see {@link explain}; the signal's reason when it aborts; CopilotError `InvalidInput`
   * when this link is closed
   */
  async call<T>(work: () => Promise<T>, { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions = {}): Promise<T> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
    // One of its own for each call: the SDK never takes its listeners off a signal.
    const inner = new AbortController();
    // A long wait is many requests of the SDK, each with a listener.
    setMaxListeners(0, inner.signal);
    const { promise: aborted, reject } = deferred<never>();
    const stop = (): void => {
      inner.abort();
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', stop, { once: true });
    const limited = (): Promise<T> =>
      timeoutMs === Number.POSITIVE_INFINITY ? work() : this.#connection.withDeadline(Date.now() + timeoutMs, work);
    try {
      return await Promise.race([this.#connection.withAbortSignal(inner.signal, limited), aborted]);
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Whether the server answers, and whether a worker asks it for sessions. */
  async health(): Promise<Health> {
    try {
      const workers = await this.call(() => findWorkers(this.#connection, this.namespace, this.config.taskQueue), {
        timeoutMs: HEALTH_TIMEOUT_MS,
      });
      return workers.length > 0 ? 'ok' : 'no-worker';
    } catch {
      return 'no-server';
    }
  }

  /**
   * What a failed call means to a user. A call that ran out of time is put down to the server where that
   * does not answer, and to absent workers where it does.
   */
  async explain(error: unknown, sessionId = ''): Promise<Error> {
    const known = fromFailure(error);
    if (known) return known;
    if (this.#isClosed) return closed();
    if (error instanceof WorkflowNotFoundError)
      return new CopilotError('SessionNotFound', { sessionId }, { cause: error });
    if (error instanceof NamespaceNotFoundError) {
      const problem = `the server at ${this.server.address} has no such namespace`;
      return new CopilotError(
        'InvalidConfig',
        { name: 'TEMPORAL_NAMESPACE', value: this.namespace, problem },
        { cause: error },
      );
    }
    if (error instanceof QueryNotRegisteredError && this.config.encryptionKeys.length > 0) {
      return await this.#explainRefused(error, sessionId);
    }
    const code = grpcCode(error);
    if (code === PERMISSION_DENIED || code === UNAUTHENTICATED) return unreachable(this.server.address, error);
    if (code === INVALID_ARGUMENT || isTooLarge(error)) return invalidArgument(error);
    if (!isTransient(error)) return error instanceof Error ? error : new Error(String(error));
    return code === UNAVAILABLE || (await this.health()) === 'no-server'
      ? unreachable(this.server.address, error)
      : this.noWorker(error);
  }

  noWorker(cause?: unknown): CopilotError {
    return new CopilotError('NoWorker', { taskQueue: this.config.taskQueue }, { cause });
  }

  /**
   * The SDK does not hand on why a worker refused a query. Queries are refused for one thing
   * only: the worker cannot read what is asked, so that its keys are not those of this client.
   */
  async #explainRefused(cause: Error, sessionId: string): Promise<Error> {
    try {
      // Fails with the key that is needed here, where one is.
      await this.call(() => this.client.workflow.getHandle(sessionId).describe());
    } catch (error) {
      return fromFailure(error) ?? cause;
    }
    const problem = 'the worker cannot read what was sent; it lacks the first of the keys here';
    return new CopilotError(
      'InvalidConfig',
      { name: 'COPILOT_ENCRYPTION_KEYS', value: '(hidden)', problem },
      { cause },
    );
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connection.close();
  }
}

/** Whether the same call may well succeed later. */
export function isTransient(error: unknown): boolean {
  if (isTooLarge(error)) return false;
  return error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || TRANSIENT.includes(grpcCode(error) ?? -1);
}

/** Whether request or answer is more than gRPC takes: the same again would be, too. */
function isTooLarge(error: unknown): boolean {
  return grpcCode(error) === RESOURCE_EXHAUSTED && /message larger than max/i.test(reasonOf(error));
}

/**
 * Whether the call ran out of its own time. The server keeps that, too, and ends the call as cancelled: a program that is
 * busy hears of it before its own clock says so. Whoever cancels calls has to look at the signal first.
 */
export function isTimeout(error: unknown): boolean {
  const code = grpcCode(error);
  return error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || code === DEADLINE_EXCEEDED || code === CANCELLED;
}

/** The gRPC status in an error of the SDK or in its causes. */
function grpcCode(error: unknown): number | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return cause.code;
  }
  return undefined;
}

function invalidArgument(error: unknown): CopilotError {
  const problem = reasonOf(error);
  if (!/search attribute/i.test(problem))
    return new CopilotError('InvalidInput', { what: 'The request', problem }, { cause: error });
  return new CopilotError(
    'ServerUnavailable',
    {
      problem: `The server does not know the search attributes of sessions (${problem}).`,
      waysOut:
        '1. start a worker (`copilot worker`), which registers them; 2. use `copilot dev`; ' +
        '3. register them with `temporal operator search-attribute create`, as `copilot worker` says where it may not.',
    },
    { cause: error },
  );
}

function closed(): CopilotError {
  return new CopilotError('InvalidInput', { what: 'The call', problem: 'its client is closed; connect another' });
}

function unreachable(address: string, cause: unknown): CopilotError {
  return new CopilotError('ServerUnreachable', { address, problem: reasonOf(cause) }, { cause });
}

/** The innermost message: the outer ones only say that a call failed. */
export function reasonOf(error: unknown): string {
  let message = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    message = isGrpcServiceError(cause) ? cause.details : cause.message;
  }
  return message;
}

function deferred<T>(): { promise: Promise<T>; reject: (reason: unknown) => void } {
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((_, no) => (reject = no));
  // Whoever races it hears of it; where nobody does any more, nobody needs to.
  promise.catch(() => undefined);
  return { promise, reject };
}
