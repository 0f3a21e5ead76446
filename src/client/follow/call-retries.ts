/** Which failed attempts of calls a follower was told of. */
import type { PendingCall } from '../reading/pending-calls.ts';

/** An attempt of a model or tool call has failed. It is retried automatically. */
export interface RetryEvent extends Omit<PendingCall, 'id' | 'state' | 'lastError' | 'paused'> {
  readonly type: 'retry';
  readonly turnId: string;
  /** Id of the call. */
  readonly activityId: string;
  /** How the failed attempt ended. */
  readonly error: NonNullable<PendingCall['lastError']>;
}

/** Remembers the attempts that were reported, for the calls of running turns. */
export class CallRetries {
  readonly #turns = new Set<string>();
  readonly #told = new Map<string, number>();

  get hasTurn(): boolean {
    return this.#turns.size > 0;
  }

  get turns(): string[] {
    return [...this.#turns];
  }

  /** Goes on where another follower stopped: the turns that ran there, and the attempts that it was told of. */
  resume(turns: readonly string[], told: readonly (readonly [string, number])[]): void {
    for (const turnId of turns) this.#turns.add(turnId);
    for (const [activityId, attempt] of told) this.#told.set(activityId, attempt);
  }

  begin(turnId: string): void {
    this.#turns.add(turnId);
  }

  end(turnId: string): void {
    this.#turns.delete(turnId);
  }

  /** Whether an attempt has failed that was not reported. */
  isNews(activityId: string, attempt: number): boolean {
    return attempt > (this.#told.get(activityId) ?? 1);
  }

  /** Whether a running turn waits for the call. The id of a call begins with that of its turn. */
  has(activityId: string): boolean {
    return this.#turns.has(turnOf(activityId));
  }

  report(calls: readonly PendingCall[]): RetryEvent[] {
    return calls.flatMap(({ id: activityId, attempt, lastError: error, nextAttemptAt }) => {
      if (!error) return [];
      this.#told.set(activityId, attempt);
      return [{ type: 'retry', turnId: turnOf(activityId), activityId, attempt, error, nextAttemptAt }];
    });
  }

  /** Forgets all other calls, because a repeated step has calls with the same ids. */
  keep(activityIds: readonly string[]): void {
    for (const id of this.#told.keys()) if (!activityIds.includes(id)) this.#told.delete(id);
  }
}

/** The id of a call begins with that of its turn. */
export const turnOf = (activityId: string): string => activityId.split('/', 1)[0] ?? '';
