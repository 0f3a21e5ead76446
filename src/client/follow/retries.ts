/** What followers were told of calls that are tried again: each failed attempt once. */
import type { PendingCall } from '../pending.ts';

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
  #told = new Map<string, number>();

  get hasTurn(): boolean {
    return this.#turns.size > 0;
  }

  begin(turnId: string): void {
    this.#turns.add(turnId);
  }

  end(turnId: string): void {
    this.#turns.delete(turnId);
  }

  /** Whether a turn under way waits for it. Ids of calls begin with that of their turn. */
  has(activityId: string): boolean {
    return this.#turns.has(turnOf(activityId));
  }

  /** @param calls all that are under way: a step that is done again has calls of the same ids */
  tell(calls: readonly PendingCall[]): RetryEvent[] {
    const before = this.#told;
    this.#told = new Map(calls.map(({ id, attempt }) => [id, attempt]));
    return calls.flatMap(({ id: activityId, attempt, lastError: error, nextAttemptAt }) =>
      error && attempt > (before.get(activityId) ?? 1)
        ? [{ type: 'retry', turnId: turnOf(activityId), activityId, attempt, error, nextAttemptAt }]
        : [],
    );
  }
}

const turnOf = (activityId: string): string => activityId.split('/', 1)[0] ?? '';
