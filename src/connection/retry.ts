/** Retries of calls, with backoff. All retry loops of clients and commands go through here. */
import pRetry from 'p-retry';

export interface RetryOptions {
  /** Pause after the first failure, in ms. It doubles up to `maxPauseMs`. */
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Called after each failure. It throws the error to give up with; if it returns, the work is tried again.
   * @param attempt number of the attempt that failed, from 1
   */
  readonly onFailure: (error: unknown, attempt: number) => Promise<void> | void;
}

/**
 * Repeats the work until it succeeds or `onFailure` throws.
 * @throws what `onFailure` throws; the signal's reason when it aborts
 */
export async function retry<T>(
  work: (attempt: number) => Promise<T>,
  { firstPauseMs, maxPauseMs, signal, onFailure }: RetryOptions,
): Promise<T> {
  return await pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: firstPauseMs,
    maxTimeout: maxPauseMs,
    ...(signal ? { signal } : {}),
    onFailedAttempt: async ({ error, attemptNumber }) => {
      signal?.throwIfAborted();
      await onFailure(error, attemptNumber);
    },
  });
}
