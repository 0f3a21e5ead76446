/** Runs one function in a thread of its own, where it can be stopped whatever it does. */
import { Worker } from 'node:worker_threads';

export interface ThreadLimits {
  readonly timeoutMs: number;
  readonly memoryMiB: number;
  readonly signal: AbortSignal;
}

/** Why a thread gave no result. */
export type ThreadStop = 'time' | 'memory';

export type ThreadOutcome<Output> =
  | { readonly value: Output }
  | { readonly error: string }
  | { readonly stopped: ThreadStop };

/**
 * Runs `work(input)` in a thread without environment variables. `work` travels as its source text, since
 * Node 20 loads no TypeScript in threads: it must use nothing but its input, globals and `require`.
 * @throws the signal's reason where it aborts
 */
export async function runInThread<Input, Output>(
  work: (input: Input, require: NodeJS.Require) => Output,
  input: Input,
  limits: ThreadLimits,
): Promise<ThreadOutcome<Output>> {
  limits.signal.throwIfAborted();
  const worker = new Worker(threadSource(work), {
    eval: true,
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    workerData: input,
    resourceLimits: { maxOldGenerationSizeMb: limits.memoryMiB, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 },
  });
  const { promise, resolve, reject } = deferred<ThreadOutcome<Output>>();
  const timer = setTimeout(() => resolve({ stopped: 'time' }), limits.timeoutMs);
  const abort = (): void => reject(limits.signal.reason);
  limits.signal.addEventListener('abort', abort, { once: true });
  // The message is what threadSource posts: an outcome of this very work.
  worker.once('message', (outcome: ThreadOutcome<Output>) => resolve(outcome));
  worker.once('error', (error: Error) => {
    if ('code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') resolve({ stopped: 'memory' });
    else reject(error);
  });
  worker.once('exit', (code) => reject(new Error(`The thread ended without an answer (code ${code}).`)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', abort);
    await worker.terminate();
  }
}

/** `__name` is what esbuild wraps named inner functions in; tsx leaves it undefined outside its own modules. */
function threadSource(work: { toString(): string }): string {
  return `
    const { parentPort, workerData } = require('node:worker_threads');
    const __name = (value) => value;
    try {
      parentPort.postMessage({ value: (${work.toString()})(workerData, require) });
    } catch (error) {
      parentPort.postMessage({ error: error instanceof Error ? error.message : String(error) });
    }`;
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue;
    reject = onReason;
  });
  return { promise, resolve, reject };
}
