/** The program as a user runs it. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, extname, join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { isFull } from './full.ts';
import type { KeptCommand, KeptMessage } from './kept-cli.ts';
import { PROGRAM } from './program.ts';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Commands that run until a signal, load native code, or look at the process that they run in. */
const OWN_PROCESS = ['chat', 'codec', 'demo', 'dev', 'doctor', 'follow', 'gateway', 'replay', 'worker'];

/** Processes that wait for the next command. */
const idle: ChildProcess[] = [];

/**
 * Runs `copilot …args` to its end. `env` is the whole environment. In `npm run test:full` each command has a process of
 * its own; otherwise most of them share a few.
 * @param cwd working directory; default this process's own
 */
export async function runCli(
  args: readonly string[],
  env: Record<string, string>,
  input = '',
  cwd = process.cwd(),
): Promise<CliResult> {
  if (!isFull && !OWN_PROCESS.includes(args[0] ?? '') && env['NODE_OPTIONS'] === undefined) {
    return await runKept({ args: args.map(asArgument), env, input, cwd });
  }
  return await runCliAlone(args, env, input, cwd);
}

/** The text as a process would get it: half of a surrogate pair cannot be passed. */
function asArgument(text: string): string {
  return Buffer.from(text).toString();
}

/** Runs `copilot …args` to its end in a process of its own. */
export async function runCliAlone(
  args: readonly string[],
  env: Record<string, string>,
  input = '',
  cwd?: string,
): Promise<CliResult> {
  const child = startCli(args, env, cwd);
  child.process.stdin.end(input);
  return await child.ended;
}

async function runKept(command: KeptCommand): Promise<CliResult> {
  const kept = idle.pop() ?? (await startKept());
  kept.send(command);
  const result = (await said(kept)) as CliResult;
  idle.push(kept);
  return result;
}

async function startKept(): Promise<ChildProcess> {
  const [main = ''] = PROGRAM;
  const program = join(dirname(main), `program${extname(main)}`);
  const kept = fork(join(packageDir, 'test/helpers/kept-cli.ts'), [program], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await said(kept);
  return kept;
}

/** @throws Error if it ends without a word, as a program does that did not catch an error */
async function said(program: ChildProcess): Promise<KeptMessage> {
  const isOver = new AbortController();
  const { signal } = isOver;
  const events = ['message', 'exit'].map((name) => once(program, name, { signal }));
  const [word] = (await Promise.race(events)) as [KeptMessage | number | null];
  isOver.abort();
  if (typeof word === 'string' || (word !== null && typeof word === 'object')) return word;
  throw new Error(`The process that runs commands ended with ${word}. Its output says why.`);
}

export interface RunningCli {
  readonly process: ChildProcessWithoutNullStreams;
  readonly ended: Promise<CliResult>;
  stdout(): string;
  stderr(): string;
  /** Resolves when stdout matches. @throws Error with all output after `timeoutMs` or when the program ends */
  untilStdout(pattern: RegExp, timeoutMs?: number): Promise<void>;
}

/** Those that run: none outlives this process, however a test ends. */
const running = new Set<ChildProcessWithoutNullStreams>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** @param cwd working directory; default this process's own */
export function startCli(args: readonly string[], env: Record<string, string>, cwd?: string): RunningCli {
  const child = spawn(process.execPath, [...PROGRAM, ...args], { env, cwd });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }));
  return {
    process: child,
    ended,
    stdout: () => stdout,
    stderr: () => stderr,
    untilStdout: async (pattern, timeoutMs = 30_000) => {
      const deadline = Date.now() + timeoutMs;
      while (!pattern.test(stdout)) {
        if (child.exitCode !== null || Date.now() > deadline) {
          throw new Error(
            `${pattern} did not appear (exit code ${child.exitCode}).\nstdout: ${stdout}\nstderr: ${stderr}`,
          );
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
