/** The newest ended turns. The carried state has room for a limited number of them. */
import { MAX_RECENT_TURNS, MAX_RECENT_TURNS_TEXT } from '../../../contracts/limits.ts';
import type { SessionState, Turn } from '../../../contracts/session-state.ts';

/** Sizes as JSON of ended turns. People may still edit the plan of the newest, or have it taken up. */
const measured = new WeakMap<Turn, number>();

/** Keeps an ended turn for readers and drops the oldest ones if there are too many. */
export function keepEndedTurn(state: SessionState, turn: Turn): void {
  turn.works = [];
  for (const changed of [state.recent.at(-1), turn]) if (changed) measured.delete(changed);
  state.recent.push(turn);
  while (state.recent.length > MAX_RECENT_TURNS || (state.recent.length > 1 && isTooLarge(state.recent)))
    state.recent.shift();
}

function isTooLarge(turns: readonly Turn[]): boolean {
  return turns.reduce((sum, turn) => sum + sizeOf(turn), 0) > MAX_RECENT_TURNS_TEXT;
}

function sizeOf(turn: Turn): number {
  const known = measured.get(turn);
  if (known !== undefined) return known;
  const size = JSON.stringify(turn).length;
  measured.set(turn, size);
  return size;
}
