/** What followers were told of calls that are tried again: each failed attempt once. */
import type { PendingCall } from '../reading/pending-calls.ts';

/** An attempt at a call of a model or a tool has failed; another one follows by itself. */
export interface RetryEvent extends Omit<PendingCall, 'id' | 'state' | 'lastError'> {
  readonly type: 'retry';
  readonly turnId: string;
  readonly activityId: string;
  readonly error: NonNullable<PendingCall['lastError']>;
}

/** Keeps which attempts were told, of the calls that turns under way wait for. */
export class Retries {
  readonly #turns = new Set<string>();
  readonly #told = new Map<string, number>();

  get hasTurn(): boolean {
    return this.#turns.size > 0;
  }

  begin(turnId: string): void {
    this.#turns.add(turnId);
  }

  end(turnId: string): void {
    this.#turns.delete(turnId);
  }

  /** Whether there is something to tell of it. */
  isNews(activityId: string, attempt: number): boolean {
    return attempt > (this.#told.get(activityId) ?? 1);
  }

  /** Whether a turn under way waits for it. Ids of calls begin with that of their turn. */
  has(activityId: string): boolean {
    return this.#turns.has(turnOf(activityId));
  }

  tell(calls: readonly PendingCall[]): RetryEvent[] {
    return calls.flatMap(({ id: activityId, attempt, lastError: error, nextAttemptAt }) => {
      if (!error) return [];
      this.#told.set(activityId, attempt);
      return [{ type: 'retry', turnId: turnOf(activityId), activityId, attempt, error, nextAttemptAt }];
    });
  }

  /** Forgets all other calls: a step that is done again has calls of the same ids. */
  keep(activityIds: readonly string[]): void {
    for (const id of this.#told.keys()) if (!activityIds.includes(id)) this.#told.delete(id);
  }
}

const turnOf = (activityId: string): string => activityId.split('/', 1)[0] ?? '';
