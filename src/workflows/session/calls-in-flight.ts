/** The activities that run now, and what stops them. */
import { RetryState } from '@temporalio/common';
import { ActivityFailure, CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow';
import type { LiveSession } from './live-session.ts';

interface CallOptions<T> {
  /** Whether `suspend({now: true})` may stop it. Default true. */
  readonly isStoppable?: boolean;
  /** Whether a result is only what there was when the call was stopped. Default: never. */
  readonly isPartial?: (result: T) => boolean;
}

export class CallsInFlight {
  readonly #session: LiveSession;
  /**
   * What `suspend({now: true})` stops, and what it lets end. Both scopes serve call after call until they are cancelled:
   * a scope makes five promises, and each promise costs time in every replay.
   */
  #stoppable = new CancellationScope();
  #unstoppable = new CancellationScope();

  constructor(session: LiveSession) {
    this.#session = session;
  }

  /**
   * Runs one activity when the session is active. `suspend` lets it end. `suspend({now: true})` stops it; it runs
   * again when the session goes on, unless it gave a whole result all the same.
   * @throws CancelledFailure if the turn was told to stop and there is no result
   */
  async run<T>(work: () => Promise<T>, options: CallOptions<T> = {}): Promise<T> {
    const session = this.#session;
    const { isStoppable = true, isPartial = () => false } = options;
    for (;;) {
      if (session.state.status === 'suspended') await this.untilActive();
      this.#requireWanted();
      const scope = isStoppable ? this.#stoppable : this.#unstoppable;
      try {
        const result = await scope.run(work);
        if (session.isStopped || !isPartial(result)) return result;
      } catch (thrown) {
        const error = asStopped(thrown);
        const isOnlyPaused = scope.consideredCancelled && !session.isStopped && !isWorkflowCancelled();
        if (!isCancellation(error) || !isOnlyPaused) throw error;
      }
    }
  }

  /**
   * Waits while the session is suspended.
   * @throws CancelledFailure if the turn was told to stop
   */
  async untilActive(): Promise<void> {
    const session = this.#session;
    session.view.publish();
    await condition(() => session.state.status !== 'suspended' || session.isStopped);
    this.#requireWanted();
  }

  #requireWanted(): void {
    if (this.#session.isStopped) throw new CancelledFailure('interrupted');
  }

  /** Stops what `suspend({now: true})` may stop. */
  pause(): void {
    this.#stoppable.cancel();
    this.#stoppable = new CancellationScope();
  }

  stopAll(): void {
    this.pause();
    this.#unstoppable.cancel();
    this.#unstoppable = new CancellationScope();
  }
}

/**
 * A call that was told to stop may end by a failure, for example because its worker died before it heard of the request.
 * The server does not try such a call again, so it counts as stopped and not as failed.
 */
function asStopped(error: unknown): unknown {
  if (!(error instanceof ActivityFailure) || error.retryState !== RetryState.CANCEL_REQUESTED) return error;
  const { message, activityType, activityId, retryState, identity, cause } = error;
  const stopped = new CancelledFailure('stopped', [], cause);
  return new ActivityFailure(message, activityType, activityId, retryState, identity, stopped);
}

/** Whether somebody asked the workflow itself to end, from the Web UI for example. */
function isWorkflowCancelled(): boolean {
  return CancellationScope.current().consideredCancelled;
}
