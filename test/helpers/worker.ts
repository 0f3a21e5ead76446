/** A real worker in a process of its own: `copilot worker`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROGRAM } from './program.ts';
import { isolatedConfig, type TestServer } from './server.ts';

const READY = 'worker ready';
const READY_TIMEOUT_MS = 240_000;

export interface WorkerProcess {
  readonly pid: number;
  /** Everything it wrote to stderr so far. */
  log(): string;
  /** SIGKILL, as a crash would; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code when the process is gone. */
  stop(): Promise<number | null>;
}

/** Those that run: none outlives this process, however it ends. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/**
 * Resolves when the worker takes tasks.
 * @param cwd folder of its `copilot.config.ts`; default the checkout, which has none
 * @param program arguments of node; default `copilot worker`
 * @throws Error with its log if it ends or takes over three minutes
 */
export async function startWorkerProcess(
  server: Pick<TestServer, 'address' | 'homeDir'>,
  env: Record<string, string> = {},
  cwd = process.cwd(),
  program: readonly string[] = [...PROGRAM, 'worker'],
): Promise<WorkerProcess> {
  const child = spawn(process.execPath, program, {
    env: programEnvironment(server, env),
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (log += chunk));
  const exited = once(child, 'exit');
  await untilReady(child, () => log);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await exited;
    }
    return child.exitCode;
  };
  return {
    pid: child.pid ?? 0,
    log: () => log,
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}

/** The environment of a program that knows no server but this one, and opens teams when they are used; `changes` replaces variables. */
export function programEnvironment(
  server: Pick<TestServer, 'address' | 'homeDir'>,
  changes: Record<string, string> = {},
): Record<string, string> {
  const { environment } = isolatedConfig(server.homeDir).temporal;
  const outside = Object.entries(environment).filter(([name]) => !/^(OPENAI|COPILOT_MODEL|AGENT)_?/.test(name));
  return {
    ...Object.fromEntries(outside),
    TEMPORAL_ADDRESS: server.address,
    COPILOT_WARM: '0',
    // Where programs keep it by themselves. So said, it also has the TypeScript of their first file and of their threads.
    NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'),
    ...changes,
  };
}

async function untilReady(child: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!log().includes(READY)) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`The worker did not become ready (exit code ${child.exitCode}):\n${log()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
