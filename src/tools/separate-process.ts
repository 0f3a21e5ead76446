/** Runs one function in a process of its own, where it can be stopped whatever it does. */
import { spawn } from 'node:child_process';

export interface ProcessLimits {
  readonly timeoutMs: number;
  /** For the heap. A thread with such a limit takes the whole program along where one value exceeds it. */
  readonly memoryMiB: number;
  readonly signal: AbortSignal;
}

export type ProcessOutcome<Output> =
  | { readonly value: Output }
  | { readonly error: string }
  /** Why there is no result. */
  | { readonly stopped: 'time' | 'memory' };

/** What V8 does where the heap is full, and the system where the processor time is used up. */
const STOPPED_BY: Readonly<Partial<Record<NodeJS.Signals, 'time' | 'memory'>>> = {
  SIGABRT: 'memory',
  SIGILL: 'memory',
  SIGTRAP: 'memory',
  SIGXCPU: 'time',
};
/** No core dumps; and an end by processor time, which no busy machine uses up early, should this program die first. */
const LIMITED = 'ulimit -c 0; ulimit -t "$0"; exec "$@"';

/**
 * Runs `work(input)` in a process without environment variables. `work` travels as its source text: it must use
 * nothing but its input, globals and `require`. What goes in and comes out is cloned as by `structuredClone`.
 * @throws the signal's reason where it aborts
 */
export async function runSeparately<Input, Output>(
  work: (input: Input, require: NodeJS.Require) => Output,
  input: Input,
  { timeoutMs, memoryMiB, signal }: ProcessLimits,
): Promise<ProcessOutcome<Output>> {
  signal.throwIfAborted();
  // Twice the time: Node has threads of its own.
  const seconds = String(Math.ceil((2 * timeoutMs) / 1_000) + 1);
  const node = [process.execPath, `--max-old-space-size=${memoryMiB}`, '-e', sourceOf(work)];
  const child = spawn('/bin/sh', ['-c', LIMITED, seconds, ...node], {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => undefined;
  try {
    return await new Promise<ProcessOutcome<Output>>((resolve, reject) => {
      timer = setTimeout(() => resolve({ stopped: 'time' }), timeoutMs);
      abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      // What sourceOf sends: an outcome of this very work.
      child.once('message', (outcome) => resolve(outcome as ProcessOutcome<Output>));
      child.once('error', reject);
      // Not `exit`, which may come before the last message.
      child.once('close', (code, by) => {
        const stopped = by === null ? undefined : STOPPED_BY[by];
        if (stopped) resolve({ stopped });
        else reject(new Error(`The process ended without an answer (${by ?? `code ${code}`}).`));
      });
      // Where it has ended already, its exit says why.
      child.send({ input }, () => undefined);
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
