/** A process of the Temporal server: its ports, its start and its end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rename } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import getPort from 'get-port';
import { SEARCH_ATTRIBUTE_FLAGS } from './namespace.ts';
import { noServer, portInUse, portLost } from './unavailable.ts';

export const HOST = '127.0.0.1';
/** A big database on a busy machine needs time. A server that dies is noticed at once. */
export const START_TIMEOUT_MS = 60_000;

const DEFAULT_PORT = 7233;
const UI_PORT_OFFSET = 1_000;
const HIGHEST_PORT = 65_535;
const POLL_MS = 25;
const CONNECT_TIMEOUT_MS = 2_000;
const STOP_GRACE_MS = 10_000;
const LAST_LOG_LINES = 10;
/** Go's text for EADDRINUSE. */
const ADDRESS_IN_USE = 'address already in use';

/**
 * Dynamic configuration of our servers, as `--dynamic-config-value` takes it. Eager activities keep a session's
 * activities on the worker that holds it. With the second one's default, 20 a second, a busy session waits 100 ms a turn. The version check would call a server on the internet.
 */
export const DYNAMIC_CONFIG = [
  'system.enableActivityEagerExecution=true',
  'history.transferProcessorMaxPollRPS=2000',
  // Deletes a closed session at once. By default the server waits until its queues have noted the end, for 30 to 60 s.
  'history.transferProcessorEnsureCloseBeforeDelete=false',
  // A session may continue as new at once: by default a run waits until the one before it is 1 s old.
  'history.workflowIdReuseMinimalInterval="0s"',
  'frontend.enableServerVersionCheck=false',
] as const;

export interface Ports {
  readonly port: number;
  readonly uiPort: number;
}

export interface LaunchOptions extends Ports {
  /** Absolute path of the server program. */
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly namespace: string;
  /** Absolute paths. */
  readonly dbFile: string;
  readonly logFile: string;
  /** Whether the server goes on after this process has ended. */
  readonly detached: boolean;
  /** Codec server for its Web UI. */
  readonly uiCodecEndpoint?: string;
}

/** A server process that may not answer yet. */
export interface Launched {
  readonly pid: number;
  /** Resolves when the process has ended, with its signal or exit code. */
  readonly ended: Promise<string>;
  /** Resolves when the server answers. Rejects with `ServerUnavailable` if it ends or takes over a minute. */
  ready(): Promise<void>;
  /** Sends SIGTERM, and SIGKILL after 10 s. Any number of calls. */
  stop(): Promise<void>;
}

/**
 * Free ports: the given ones, or 7233 and 8233, or any.
 * @throws CopilotError `ServerUnavailable` if a given port is in use
 */
export async function choosePorts(asked: { port?: number | undefined; uiPort?: number | undefined }): Promise<Ports> {
  if (asked.port !== undefined && !(await isFree(asked.port))) throw portInUse(asked.port, '--port');
  if (asked.uiPort !== undefined && !(await isFree(asked.uiPort))) throw portInUse(asked.uiPort, '--ui-port');
  const port = asked.port ?? (await freePort(DEFAULT_PORT, asked.uiPort));
  return { port, uiPort: asked.uiPort ?? (await freePort(port + UI_PORT_OFFSET, port)) };
}

/** Starts a server process. Its output goes to the log file, and the log of the start before stays beside that. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  await rename(options.logFile, `${options.logFile}.1`).catch(() => undefined);
  const log = openSync(options.logFile, 'a');
  // A process group of its own: on Ctrl-C the worker has to end its tasks while the server is still up.
  const child = spawn(options.program, startFlags(options), {
    env: serverEnvironment(options.environment),
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const { pid } = child;
  if (pid === undefined) throw noServer(`The Temporal server ${options.program} cannot be started (${await exited}).`);
  child.unref();
  const watchdog = options.detached ? undefined : stopWithThisProcess(pid);
  void exited.then(() => watchdog?.kill('SIGKILL'));
  let stopping: Promise<void> | undefined;
  return {
    pid,
    ended: exited,
    ready: () => untilReady(options, exited),
    stop: () => (stopping ??= stopChild(child, exited)),
  };
}

/** Whether a Temporal server answers there. */
export async function isServerAnswering(address: string): Promise<boolean> {
  // gRPC waits a second before it retries. A bare connection shows sooner that nobody listens.
  if ((await whyNotListening(address)) !== undefined) return false;
  try {
    await (await Connection.connect({ address, connectTimeout: CONNECT_TIMEOUT_MS })).close();
    return true;
  } catch {
    return false;
  }
}

/** Why there is no connection to `host:port`, in the system's words. Undefined if there is one. */
export async function whyNotListening(address: string): Promise<string | undefined> {
  if (!URL.canParse(`tcp://${address}`)) return 'it is not host:port';
  const { hostname, port } = new URL(`tcp://${address}`);
  return await new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('no connection in time')));
    socket.once('error', (error) => resolve(error.message));
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
  });
}

function startFlags(options: LaunchOptions): string[] {
  const flags = {
    'db-filename': options.dbFile,
    ip: HOST,
    port: String(options.port),
    'ui-port': String(options.uiPort),
    namespace: options.namespace,
    'log-level': 'error',
    ...(options.uiCodecEndpoint === undefined ? {} : { 'ui-codec-endpoint': options.uiCodecEndpoint }),
  };
  // `synchronous=full` makes each commit durable, and WAL makes that cheap.
  const pragmas = ['journal_mode=wal', 'synchronous=full'];
  return [
    'server',
    'start-dev',
    ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]),
    ...pragmas.flatMap((pragma) => ['--sqlite-pragma', pragma]),
    ...DYNAMIC_CONFIG.flatMap((value) => ['--dynamic-config-value', value]),
    // A new database has these at once. An old one ignores them: `prepareNamespace` registers them there.
    ...SEARCH_ATTRIBUTE_FLAGS,
  ];
}

/** Without the user's Temporal profile, which is for clients, and without our secrets. */
function serverEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  // The last two are for Go, whose programs read them: threads, and how often garbage is collected.
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LANG', 'GOMAXPROCS', 'GOGC'];
  return Object.fromEntries(
    kept.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
}

async function untilReady({ port, logFile }: LaunchOptions, exited: Promise<string>): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  let end: string | undefined;
  void exited.then((how) => (end = how));
  while (Date.now() < deadline) {
    const ready = await isServerAnswering(`${HOST}:${port}`);
    await Promise.race([exited, sleep(ready ? 0 : POLL_MS)]);
    if (end !== undefined) {
      const lines = await lastLines(logFile);
      const problem = `The Temporal server ended while it was starting (${end}).${lines}`;
      throw lines.includes(ADDRESS_IN_USE) ? portLost(problem) : noServer(problem);
    }
    if (ready) return;
  }
  throw noServer(
    `The Temporal server did not answer within ${START_TIMEOUT_MS / 1_000} s of its start.${await lastLines(logFile)}`,
  );
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // After a panic the reason is above the stacks of the goroutines.
  const [reason = ''] = text.split(/^goroutine /m);
  const lines = reason.split('\n').filter((line) => line.trim() !== '');
  return lines.length === 0 ? '' : ` Last lines of ${file}:\n${lines.slice(-LAST_LOG_LINES).join('\n')}\n`;
}

/**
 * Ends the server when this process ends, however it ends. A shell reads from a pipe whose other end only this process
 * has, and the system closes that end even after SIGKILL.
 */
function stopWithThisProcess(pid: number): ChildProcess {
  const script = `while read -r _; do :; done
    kill -TERM "$1" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2>/dev/null || exit 0; sleep 1; done
    kill -KILL "$1" 2>/dev/null`;
  const watchdog = spawn('/bin/sh', ['-c', script, 'copilot-watchdog', String(pid)], {
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // Without a shell the server outlives a crash of this process, and the next start finds it by its record.
  watchdog.once('error', () => undefined);
  watchdog.stdin.once('error', () => undefined);
  watchdog.unref();
  // A child process's pipe is a socket, which its type does not say.
  (watchdog.stdin as unknown as { unref(): void }).unref();
  return watchdog;
}

async function stopChild(child: ChildProcess, exited: Promise<string>): Promise<void> {
  child.ref();
  child.kill('SIGTERM');
  const grace = new AbortController();
  const inTime = await Promise.race([
    exited.then(() => true),
    sleep(STOP_GRACE_MS, false, { signal: grace.signal }).catch(() => true),
  ]);
  grace.abort();
  if (!inTime) child.kill('SIGKILL');
  await exited;
}

async function freePort(preferred: number, taken: number | undefined): Promise<number> {
  if (preferred !== taken && preferred <= HIGHEST_PORT && (await isFree(preferred))) return preferred;
  return await getPort({ host: HOST, ...(taken === undefined ? {} : { exclude: [taken] }) });
}

/** Asks the system: get-port holds back a port for some seconds after it has given it out. */
async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: HOST, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
