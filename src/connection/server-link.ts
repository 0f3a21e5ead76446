/** One connection to a server: calls with a time limit and a signal, and errors that a user understands. */
import { setMaxListeners } from 'node:events';
import { status } from '@grpc/grpc-js';
import {
  Client,
  type Connection,
  type ConnectionLike,
  NamespaceNotFoundError,
  QueryNotRegisteredError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { type Config, loadConfig } from '../config.ts';
import { CopilotError, fromFailure } from '../contracts/errors.ts';
import { SEARCH_ATTRIBUTES } from '../contracts/search-attributes.ts';
import { createDataConverter } from '../storage/data-converter.ts';
import { omit } from '../storage/unreadable.ts';
import { CLOSE_TIMEOUT_MS, Traces } from '../tracing/traces.ts';
import { withRepeatedQueries } from './early-query.ts';
import { grpcStatus, innermostMessage, isTooLarge, isTransient } from './grpc-errors.ts';
import { answers } from './server-answers.ts';
import { findWorkers, noNamespace, openConnection, serverUnreachable } from './open-connection.ts';
import { refusedSignIn } from './address/connection-problem.ts';
import type { Credentials } from './address/profile.ts';
import { findServer, refuseGuess, type ServerAddress } from './address/server-address.ts';
import { type GivenConnection, takeGiven } from './given-connection.ts';

const HEALTH_TIMEOUT_MS = 2_000;
const DEFAULT_TIMEOUT_MS = 15_000;
/**
 * How long the server must know of no worker before we say that there is none. After an outage the server knows of no
 * worker at first, and the SDK's workers pause for up to 12 s before they poll again.
 */
export const ABSENCE_MS = 15_000;

export interface ConnectOptions {
  /** Default: read from the environment by `loadConfig`. */
  readonly config?: Config | undefined;
  /**
   * A `Client` of `@temporalio/client`. Its connection, namespace, identity, interceptors and data converter are used. It
   * stays yours: `close` leaves it open.
   */
  readonly client?: Pick<Client, 'connection' | 'options'> | undefined;
  /** A `Connection` of `@temporalio/client`, in place of `client`. It stays yours: `close` leaves it open. */
  readonly connection?: ConnectionLike | undefined;
  /**
   * `host:port` of the server. Default: TEMPORAL_ADDRESS or the Temporal profile, else the server that was started
   * from this home folder, else `localhost:7233`.
   */
  readonly address?: string | undefined;
  /** Default: that of `client`, else TEMPORAL_NAMESPACE or the Temporal profile, else `default`. */
  readonly namespace?: string | undefined;
  /**
   * TLS to the server: `true`, or certificates as in `Connection.connect`. Default: TEMPORAL_TLS and its companions or the
   * Temporal profile.
   */
  readonly tls?: Credentials['tls'] | undefined;
  /** API key of the server, for example of Temporal Cloud. Default: TEMPORAL_API_KEY or the Temporal profile. */
  readonly apiKey?: string | undefined;
  /**
   * Must match that of the workers. Default: that of `client` if it has one, else made from the keys and the payload store
   * in `config`.
   */
  readonly dataConverter?: DataConverter | undefined;
  /**
   * How long a message is retried while server or workers do not answer, in ms. Default 60,000. If the server knows of
   * no worker at all, the call ends with `NoWorker` after about 15 s.
   */
  readonly retryForMs?: number | undefined;
}

export interface CallOptions {
  /** In ms. Default 15,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

type Health = 'ok' | 'no-worker' | 'no-server';

interface OpenLink extends GivenConnection {
  /** Whether `close` closes the connection. */
  readonly isOwn: boolean;
  readonly traces: Traces | undefined;
}

/** Owns the connection, and knows what its failures mean. */
export class ServerLink {
  readonly client: Client;
  /** For lists: it leaves out a memo that cannot be decrypted here, so that one such session does not break a list. */
  readonly lister: Client;
  readonly config: Config;
  readonly server: ServerAddress;
  readonly retryForMs: number;
  /** Undefined if nobody has asked for traces. */
  readonly traces: Traces | undefined;
  /**
   * Followers that still look for their place, by session. Updates of the session wait for them, so that a follower misses
   * nothing that is sent after `follow` was called.
   */
  readonly joins = new Map<string, Promise<unknown>>();
  /** Whether the last worker that named an address for its text could be reached there. */
  reachesWorkers: boolean | undefined;
  readonly #connection: ConnectionLike;
  readonly #isOwn: boolean;
  readonly #closing = new AbortController();

  private constructor(
    { connection, isOwn, server, traces, clientOptions = {} }: OpenLink,
    config: Config,
    { dataConverter = clientOptions.dataConverter, retryForMs = 60_000 }: ConnectOptions,
  ) {
    this.#connection = connection;
    this.#isOwn = isOwn;
    this.server = server;
    this.traces = traces;
    this.config = config;
    this.retryForMs = retryForMs;
    // Each running call listens.
    setMaxListeners(0, this.#closing.signal);
    const { namespace } = server;
    const interceptors = withRepeatedQueries(clientOptions.interceptors);
    const common = { ...clientOptions, interceptors, connection, namespace };
    this.client = new Client({ ...common, dataConverter: dataConverter ?? createDataConverter(config) });
    this.lister = new Client({ ...common, dataConverter: dataConverter ?? createDataConverter(config, omit) });
  }

  /** @throws CopilotError `ServerUnreachable` after 3 s, `WrongConnection`, `InvalidConfig`, `InvalidInput` */
  static async open(options: ConnectOptions = {}): Promise<ServerLink> {
    const config = options.config ?? loadConfig();
    const given = takeGiven(config, options);
    if (given) return new ServerLink({ ...given, isOwn: false, traces: await openTraces(config) }, config, options);
    const server = await findServer(config, options);
    const connection = await openConnection(server);
    return new ServerLink({ connection, isOwn: true, server, traces: await openTraces(config) }, config, options);
  }

  /** To be called before anything is changed on the server. @throws CopilotError `HomeServerDown` */
  checkMayChange(): void {
    refuseGuess(this.server);
  }

  get namespace(): string {
    return this.server.namespace;
  }

  /**
   * Runs calls of the SDK within a time limit.
   * @throws what the SDK throws, see {@link explain}; the signal's reason when it aborts; CopilotError `InvalidInput`
   *   if this link is closed
   */
  async call<T>(work: () => Promise<T>, { timeoutMs = DEFAULT_TIMEOUT_MS, signal }: CallOptions = {}): Promise<T> {
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    // Each call gets a signal of its own, because the SDK never removes its listeners from a signal.
    const inner = new AbortController();
    // A long wait makes many requests of the SDK, each with a listener.
    setMaxListeners(0, inner.signal);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    aborted.catch(() => undefined);
    const stop = ({ target }: Event): void => {
      inner.abort();
      reject(target instanceof AbortSignal ? target.reason : undefined);
    };
    const signals = [this.#closing.signal, ...(signal ? [signal] : [])];
    for (const one of signals) one.addEventListener('abort', stop, { once: true });
    const limited = (): Promise<T> =>
      timeoutMs === Number.POSITIVE_INFINITY ? work() : this.#connection.withDeadline(Date.now() + timeoutMs, work);
    try {
      return await Promise.race([this.#connection.withAbortSignal(inner.signal, limited), aborted]);
    } finally {
      for (const one of signals) one.removeEventListener('abort', stop);
    }
  }

  /** Whether the server answers now. */
  async answers(): Promise<boolean> {
    return await answers(this.#connection);
  }

  /** Whether the server answers, and whether a worker polls it for sessions. */
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
   * Translates the error of a failed call. A timeout is blamed on the server if the server does not answer, else on
   * absent workers.
   */
  async explain(error: unknown, sessionId = ''): Promise<Error> {
    const known = fromFailure(error);
    if (known) return known;
    if (this.#closing.signal.aborted) return clientClosed();
    if (error instanceof WorkflowNotFoundError)
      return new CopilotError('SessionNotFound', { sessionId }, { cause: error });
    if (error instanceof NamespaceNotFoundError) return noNamespace(this.server.address, this.namespace, error);
    if (error instanceof QueryNotRegisteredError && this.config.encryptionKeys.length > 0) {
      return await this.#explainRefusedQuery(error, sessionId);
    }
    const code = grpcStatus(error);
    const refused = refusedSignIn(this.server, error);
    if (refused) return refused;
    if (code === status.INVALID_ARGUMENT || isTooLarge(error)) return await this.#explainInvalidArgument(error);
    if (!isTransient(error)) return error instanceof Error ? error : new Error(String(error));
    return code === status.UNAVAILABLE || (await this.health()) === 'no-server'
      ? serverUnreachable(this.server.address, error)
      : this.noWorker(error);
  }

  noWorker(cause?: unknown): CopilotError {
    return new CopilotError('NoWorker', { taskQueue: this.config.taskQueue }, { cause });
  }

  /**
   * The SDK does not pass on why a worker refused a query. With encryption the likely reason is that the worker cannot
   * decrypt the arguments, so its keys are not those of this client.
   */
  async #explainRefusedQuery(cause: Error, sessionId: string): Promise<Error> {
    try {
      // Fails with the name of the key that is missing here, if one is.
      await this.call(() => this.client.workflow.getHandle(sessionId).describe());
    } catch (error) {
      return fromFailure(error) ?? cause;
    }
    const problem = 'the worker does not have the first of these keys, so it cannot read what was sent';
    const details = { name: 'COPILOT_ENCRYPTION_KEYS', value: '(hidden)', problem };
    return new CopilotError('InvalidConfig', details, { cause });
  }

  async #explainInvalidArgument(cause: unknown): Promise<CopilotError> {
    const missing = await this.#missingSearchAttributes();
    if (missing.length === 0)
      return new CopilotError('InvalidInput', { what: 'The request', problem: innermostMessage(cause) }, { cause });
    const problem = `Namespace "${this.namespace}" lacks the search attributes of sessions (${missing.join(', ')}).`;
    const waysOut =
      '1. start a worker (`copilot worker`), which registers them; 2. use `copilot dev`; ' +
      '3. if the worker may not register them, run the `temporal operator search-attribute create` command that it prints.';
    return new CopilotError('ServerUnavailable', { problem, waysOut }, { cause });
  }

  async #missingSearchAttributes(): Promise<string[]> {
    const { namespace } = this;
    // Only a full connection has it.
    const { operatorService }: Partial<Pick<Connection, 'operatorService'>> = this.#connection;
    if (operatorService === undefined) return [];
    try {
      const { customAttributes } = await this.call(() => operatorService.listSearchAttributes({ namespace }));
      return SEARCH_ATTRIBUTES.map(({ name }) => name).filter((name) => !Object.hasOwn(customAttributes ?? {}, name));
    } catch {
      return [];
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(clientClosed());
    await this.traces?.close();
    if (this.#isOwn) await this.#connection.close();
  }
}

/** Commands end soon. They wait no longer for spans than `close` does. */
async function openTraces({ traces }: Config): Promise<Traces | undefined> {
  return await Traces.open(traces, undefined, CLOSE_TIMEOUT_MS);
}

function clientClosed(): CopilotError {
  return new CopilotError('InvalidInput', { what: 'The call', problem: 'its client is closed; connect another' });
}
