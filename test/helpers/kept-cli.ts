/**
 * Commands of tests, one after another in one process, which so loads its modules once and not for each of them: for
 * tests of commands that was more than half of the processor's work. What a command sees of a process is as in one of
 * its own: environment, standard input and output, exit code, and that it ends only when nothing is left that would keep
 * it.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { runProgram as RunProgram } from '../../src/cli/program.ts';
import type { CliResult } from './cli.ts';

/** What to run. */
export interface KeptCommand {
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Record<string, string>;
  readonly input: string;
}

/** A message to the process that started this one: that it takes commands, or how one ended. */
export type KeptMessage = 'ready' | CliResult;

/** A command that is done and still keeps its process is an error in it. */
const END_TIMEOUT_MS = 20_000;

const [programFile = ''] = process.argv.slice(2);
const { runProgram } = (await import(programFile)) as { runProgram: typeof RunProgram };
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

process.umask(0o077);
process.once('disconnect', () => process.exit());
process.on('message', (command: KeptCommand) => void run(command).then(tell));
tell('ready');
const atRest = process.getActiveResourcesInfo().length;

async function run({ args, env, input }: KeptCommand): Promise<CliResult> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from(input)]), configurable: true });
  const stdout = collect(process.stdout);
  const stderr = collect(process.stderr);
  process.exitCode = undefined;
  await runProgram(args);
  await untilAtRest(args);
  process.stdout.removeAllListeners('error');
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  return { code: process.exitCode ?? 0, stdout: stdout(), stderr: stderr() };
}

/** Takes what is written to the stream until the next command does. */
function collect(stream: NodeJS.WriteStream): () => string {
  const written: Buffer[] = [];
  const write = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    written.push(Buffer.from(chunk as string));
    const done = rest.at(-1);
    if (typeof done === 'function') process.nextTick(done);
    return true;
  };
  stream.write = write;
  return () => Buffer.concat(written).toString();
}

async function untilAtRest(args: readonly string[]): Promise<void> {
  const deadline = Date.now() + END_TIMEOUT_MS;
  for (;;) {
    const left = process.getActiveResourcesInfo();
    if (left.length <= atRest) return;
    if (Date.now() > deadline) throw new Error(`copilot ${args.join(' ')} does not end: ${left.join(', ')}`);
    await sleep(5);
  }
}

function tell(message: KeptMessage): void {
  process.send?.(message);
}
