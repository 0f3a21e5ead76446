/** Runs one function in a process of its own, which can be killed whatever the function does. */
import { spawn } from 'node:child_process';

export interface ProcessLimits {
  readonly timeoutMs: number;
  /** Limit of the heap. A thread with such a limit would take the whole program down if one value exceeded it. */
  readonly memoryMiB: number;
  readonly signal: AbortSignal;
}

export type ProcessOutcome<Output> =
  | { readonly value: Output }
  | { readonly error: string }
  /** The limit that ended it. */
  | { readonly stopped: 'time' | 'memory' };

/** Signals by which V8 ends on a full heap, and the system when the processor time is used up. */
const STOPPED_BY: Readonly<Partial<Record<NodeJS.Signals, 'time' | 'memory'>>> = {
  SIGABRT: 'memory',
  SIGILL: 'memory',
  SIGTRAP: 'memory',
  SIGXCPU: 'time',
};
/** No core dumps. The limit of processor time ends the process if this program dies first; a busy machine does not use it up early. */
const LIMITED = 'ulimit -c 0; ulimit -t "$0"; exec "$@"';

/**
 * Runs `work(input)` in a process without environment variables. `work` is sent as source text, so it may use only
 * its input, globals and `require`. Input and output are cloned as by `structuredClone`.
 * @throws the signal's reason if it aborts
 */
export function runSeparately<Input, Output>(
  work: (input: Input, require: NodeJS.Require) => Output,
  input: Input,
  limits: ProcessLimits,
): Promise<ProcessOutcome<Output>> {
  return runNode(['-e', sourceOf(work)], { input }, limits);
}

/**
 * Runs a program of Node that takes one message and answers with one, in a process without environment variables.
 * @param descriptors open files that it gets as descriptors 4, 5, …
 * @throws the signal's reason if it aborts
 */
export async function runNode<Answer>(
  program: readonly string[],
  message: object,
  { timeoutMs, memoryMiB, signal, descriptors = [] }: ProcessLimits & { readonly descriptors?: readonly number[] },
): Promise<Answer | { readonly stopped: 'time' | 'memory' }> {
  signal.throwIfAborted();
  // Twice the time, because Node's own threads use processor time too.
  const seconds = String(Math.ceil((2 * timeoutMs) / 1_000) + 1);
  const node = [process.execPath, `--max-old-space-size=${memoryMiB}`, ...program];
  const child = spawn('/bin/sh', ['-c', LIMITED, seconds, ...node], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc', ...descriptors],
    serialization: 'advanced',
  });
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => undefined;
  try {
    return await new Promise((resolve, reject) => {
      timer = setTimeout(() => resolve({ stopped: 'time' }), timeoutMs);
      abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      // The program sends nothing but its answer.
      child.once('message', (answer) => resolve(answer as Answer));
      child.once('error', reject);
      // `exit` may come before the last message; `close` does not.
      child.once('close', (code, by) => {
        const stopped = by === null ? undefined : STOPPED_BY[by];
        if (stopped) resolve({ stopped });
        else reject(new Error(`The process ended without an answer (${by ?? `code ${code}`}).`));
      });
      // If the process has ended already, its exit says why.
      child.send(message, () => undefined);
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
}

function sourceOf(work: { toString(): string }): string {
  return `
    process.once('message', ({ input }) => {
      let outcome;
      try {
        outcome = { value: (${work.toString()})(input, require) };
      } catch (error) {
        outcome = { error: error instanceof Error ? error.message : String(error) };
      }
      process.send(outcome, () => process.disconnect());
    });`;
}
