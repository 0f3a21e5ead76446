/** Calls with outside effects that this process runs or has run, for the case that the server lost sight of them. */
import { LRUCache } from 'lru-cache';
import type { RunToolResult } from '../contracts/activities.ts';
import type { CallAttempt } from '../tools/workspace/effects.ts';

/** A result has up to 25,000 characters. */
const MAX_CALLS = 500;

export class RunningCalls {
  readonly #calls = new LRUCache<string, Promise<RunToolResult>>({ max: MAX_CALLS });

  async run(call: CallAttempt, work: () => Promise<RunToolResult>): Promise<RunToolResult> {
    const running = work();
    this.#calls.set(nameOf(call), running);
    return await running;
  }

  /** Waits for the end of a call. Undefined if this process does not know it, or if it failed without a result. */
  async find(call: CallAttempt, signal: AbortSignal): Promise<RunToolResult | undefined> {
    const running = this.#calls.get(nameOf(call));
    if (!running) return undefined;
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }); // an activity's reasons are errors
    });
    return await Promise.race([running.catch(() => undefined), aborted]);
  }
}

function nameOf({ session, key, attempt }: CallAttempt): string {
  return `${session}/${key}.${attempt}`;
}
