/** The newest ended turns. The carried state has room for a limited number of them. */
import { MAX_RECENT_TURNS, MAX_RECENT_TURNS_TEXT } from '../../../contracts/limits.ts';
import type { SessionState, Turn } from '../../../contracts/session-state.ts';

/** Keeps an ended turn for readers and drops the oldest ones if there are too many. */
export function keepEndedTurn(state: SessionState, turn: Turn): void {
  turn.works = [];
  state.recent.push(turn);
  while (state.recent.length > MAX_RECENT_TURNS || (state.recent.length > 1 && isTooLarge(state.recent)))
    state.recent.shift();
}

function isTooLarge(turns: readonly Turn[]): boolean {
  return JSON.stringify(turns).length > MAX_RECENT_TURNS_TEXT;
}
