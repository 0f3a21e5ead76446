/**
 * Finds or starts a Temporal server, in this order:
 * 1. the one that TEMPORAL_ADDRESS or a profile names: used, and never started by this program;
 * 2. the one that serves this home folder already, by `server.json`;
 * 3. a new one, from `temporal` on PATH, the cache, a download, or a build from source.
 */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import pRetry from 'p-retry';
import { openConnection } from '../connection/open-connection.ts';
import { readProfile } from '../connection/address/profile.ts';
import { findServer, type ServerAddress } from '../connection/address/server-address.ts';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
import { findServerProgram, type Log } from './program.ts';
import {
  isServerAnswering,
  choosePorts,
  HOST,
  launch,
  type Launched,
  type Ports,
  START_TIMEOUT_MS,
  whyNotListening,
} from './server-process.ts';
import { withLock } from './lock.ts';
import { keepClosedSessions } from './namespace.ts';
import {
  databaseFile,
  readRecord,
  removeRecord,
  type ServerRecord,
  writeRecord,
} from '../connection/address/home-server.ts';
import { databaseInUse, isPortLost } from './unavailable.ts';
import { makeHomeFolder } from '../storage/atomic-file.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const POLL_MS = 100;
/** Another process can take the free port that was found before the server listens on it. */
const START_ATTEMPTS = 3;

/** What a server of somebody else does not tell or do. */
const NOT_OURS = { started: false, ended: new Promise<string>(() => undefined), stop: async () => undefined } as const;

export interface RunningServer {
  /** `host:port` of the gRPC front end. */
  readonly address: string;
  /** From TEMPORAL_NAMESPACE or the profile, else `default`. */
  readonly namespace: string;
  /** Web UI, such as `http://127.0.0.1:8233`. For a server that the user named, COPILOT_UI_URL. */
  readonly uiUrl: string | undefined;
  /** False if the server was running already. Then `stop` does nothing. */
  readonly started: boolean;
  /** Process id of the server, undefined for one that the user named. */
  readonly pid: number | undefined;
  /** Resolves when the process has ended, with its signal or exit code. Never settles if `started` is false. */
  readonly ended: Promise<string>;
  /** Undefined if `started` is false. */
  readonly ports?: Ports;
  /** Sends SIGTERM, and SIGKILL after 10 s. Resolves when the process has ended. Any number of calls. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Port of a new server. Default: 7233, or another one if that is in use. */
  port?: number;
  /** Port of its Web UI. Default: `port` + 1000, or another one if that is in use. */
  uiPort?: number;
  /** Its SQLite file. Default `<homeDir>/temporal.db`. */
  dbFile?: string;
  /** Whether to use a server that serves this home already. Default true. */
  reuse?: boolean;
  /** Whether a new server goes on after this process has ended without `stop`. Default false. */
  detached?: boolean;
  /** Codec server for the Web UI of a new server, such as `http://127.0.0.1:8234`. Default: none. */
  uiCodecEndpoint?: string;
  /** Takes one line for a person, without line end. Default: ignores it. */
  log?: Log;
}

/**
 * Finds or starts a server that answers. Processes that call this at the same time in one home get the same server.
 * @throws CopilotError `ServerUnreachable` if the server that the user named does not answer, `ServerUnavailable` with
 *   three ways out if none can be started, `InvalidConfig` for a profile that cannot be read
 */
export async function ensureServer(config: Config, options: ServerOptions = {}): Promise<RunningServer> {
  const { address, namespace = 'default' } = readProfile(config);
  if (address !== undefined) return await useNamed(config, await findServer(config));
  const log = options.log ?? (() => undefined);
  const running = await findRunning(config, namespace, options);
  if (running !== undefined) return running;
  // A build of the program can take minutes.
  await makeHomeFolder(config.homeDir);
  const program = await findServerProgram(config, log);
  const lockFile = join(config.homeDir, 'server.lock');
  const start = async (): Promise<RunningServer> =>
    (await findRunning(config, namespace, options)) ?? (await startServer(config, program, namespace, options, log));
  return await withLock(lockFile, start, (pid) =>
    log(`Process ${pid} is starting the Temporal server already; waiting for it.`),
  );
}

async function useNamed(config: Config, server: ServerAddress): Promise<RunningServer> {
  const { address, namespace } = server;
  const problem = await whyNotListening(address);
  // gRPC would only say that the time is up.
  if (problem !== undefined) throw new CopilotError('ServerUnreachable', { address, problem });
  await (await openConnection(server)).close();
  const { uiUrl } = config.temporal;
  return { address, namespace, uiUrl, pid: undefined, ...NOT_OURS };
}

/** The server of this home. Waits for one that is starting. */
async function findRunning(
  config: Config,
  namespace: string,
  options: ServerOptions,
): Promise<RunningServer | undefined> {
  const record = await readRecord(config.homeDir);
  if (record === undefined) return undefined;
  const { address, pid, dbFile } = record;
  if (options.reuse === false) {
    if (dbFile !== databaseOf(config, options)) return undefined;
    throw databaseInUse(
      `The Temporal server at ${address} (process ${pid}) has ${dbFile} open, and only one may.`,
      pid,
    );
  }
  if (!(await untilAnswers(config, record))) return undefined;
  await withConnection(address, (connection) => keepClosedSessions(connection, namespace));
  const uiUrl = config.temporal.uiUrl ?? record.uiUrl;
  return { address, namespace, uiUrl, pid, ...NOT_OURS };
}

async function untilAnswers(config: Config, { address, pid, dbFile }: ServerRecord): Promise<boolean> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await isServerAnswering(address))) {
    if (Date.now() > deadline) {
      throw databaseInUse(
        `Process ${pid} has ${dbFile} open and is a Temporal server, but ${address} does not answer.`,
        pid,
      );
    }
    await sleep(POLL_MS);
    if ((await readRecord(config.homeDir))?.pid !== pid) return false;
  }
  return true;
}

/** Runs under the home's lock. */
async function startServer(
  config: Config,
  program: string,
  namespace: string,
  options: ServerOptions,
  log: Log,
): Promise<RunningServer> {
  // Servers of several homes start one after another. Otherwise two could choose the same port, and each process would
  // take the other's server for its own.
  const portsLock = join(config.cacheDir, 'ports.lock');
  log('Starting a Temporal server.');
  const start = async (): Promise<RunningServer> =>
    await startOnPorts(config, program, namespace, options, await choosePorts(options));
  return await pRetry(() => withLock(portsLock, start), {
    retries: START_ATTEMPTS - 1,
    minTimeout: 0,
    shouldRetry: ({ error }) => {
      if (!isPortLost(error)) return false;
      log('Another process took the port in the meantime; trying again.');
      return true;
    },
  });
}

async function startOnPorts(
  config: Config,
  program: string,
  namespace: string,
  options: ServerOptions,
  ports: Ports,
): Promise<RunningServer> {
  const { homeDir } = config;
  const dbFile = databaseOf(config, options);
  const address = `${HOST}:${ports.port}`;
  const uiUrl = `http://${HOST}:${ports.uiPort}`;
  const launched = await launch({
    ...ports,
    program,
    environment: config.temporal.environment,
    namespace,
    dbFile,
    logFile: join(homeDir, 'server.log'),
    detached: options.detached ?? false,
    ...(options.uiCodecEndpoint === undefined ? {} : { uiCodecEndpoint: options.uiCodecEndpoint }),
  });
  const { pid, ended } = launched;
  const stop = async (): Promise<void> => {
    await launched.stop();
    await removeRecord(homeDir, pid);
  };
  try {
    await recordUnlessPrivate(homeDir, { address, uiUrl, namespace, pid, dbFile, startedAt: new Date().toISOString() });
    await untilUsable(launched, address, namespace);
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, namespace, uiUrl: config.temporal.uiUrl ?? uiUrl, started: true, pid, ended, ports, stop };
}

/** Before the server is ready: if this process crashes now, the next one still finds the server. */
async function recordUnlessPrivate(homeDir: string, record: ServerRecord): Promise<void> {
  // There is another record only with `reuse: false` and a database of its own. The home keeps that record.
  if ((await readRecord(homeDir)) === undefined) await writeRecord(homeDir, record);
}

async function untilUsable(launched: Launched, address: string, namespace: string): Promise<void> {
  await launched.ready();
  await withConnection(address, (connection) => keepClosedSessions(connection, namespace));
}

async function withConnection<T>(address: string, use: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

function databaseOf(config: Config, options: ServerOptions): string {
  return resolve(options.dbFile ?? databaseFile(config.homeDir));
}
