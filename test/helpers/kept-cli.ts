/**
 * A process that runs commands of tests, one after another. It loads the modules once: to load them anew was more than
 * half of what the processor did for a test of commands. A command gets its own environment, working directory, input,
 * outputs and exit code. If it leaves something behind that would keep a process from ending, that is an error.
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
  readonly cwd: string;
}

/** A message to the process that started this one: that it takes commands, or how one ended. */
export type KeptMessage = 'ready' | CliResult;

/** A command that is done and still keeps its process is an error in it. */
const END_TIMEOUT_MS = 20_000;

const [programFile = ''] = process.argv.slice(2);
const { runProgram } = (await import(programFile)) as { runProgram: typeof RunProgram };
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
// Opened now, so that they are no news after a command.
const { stdout, stderr } = process;

process.umask(0o077);
process.once('disconnect', () => process.exit());
process.on('message', (command: KeptCommand) => void run(command).then(tell));
tell('ready');
const atRest = process.getActiveResourcesInfo().length;

async function run({ args, env, input, cwd }: KeptCommand): Promise<CliResult> {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from(input)]), configurable: true });
  const output = collect(stdout);
  const errors = collect(stderr);
  process.exitCode = undefined;
  await runProgram(args);
  await untilAtRest(args);
  stdout.removeAllListeners('error');
  for (const signal of SIGNALS) process.removeAllListeners(signal);
  return { code: process.exitCode ?? 0, stdout: output(), stderr: errors() };
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
