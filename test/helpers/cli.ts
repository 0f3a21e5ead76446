/** The program as a user runs it, in a process of its own. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { PROGRAM } from './program.ts';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `copilot …args` to its end. `env` is the whole environment. */
export async function runCli(args: readonly string[], env: Record<string, string>, input = ''): Promise<CliResult> {
  const child = startCli(args, env);
  child.process.stdin.end(input);
  return await child.ended;
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
