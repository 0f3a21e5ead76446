/** Update handlers that wait for the outcome of a turn. */
import { condition } from '@temporalio/workflow';
import { MAX_WAITING_HANDLERS } from '../../contracts/limits.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import { isSettled, type TurnView } from '../../contracts/turn.ts';
import type { LiveSession } from './live-session.ts';
import { statusOf, turnView } from '../views/views.ts';

export class TurnWaiters {
  readonly #session: LiveSession;
  #count = 0;

  constructor(session: LiveSession) {
    this.#session = session;
  }

  get isFull(): boolean {
    return this.#count >= MAX_WAITING_HANDLERS;
  }

  /** Gives the turn's view when the turn is settled, or at once if nobody can wait for that now. */
  outcomeOf(turn: RunningTurn): TurnView | Promise<TurnView> {
    const { continuation, state } = this.#session;
    const isOver = () => continuation.hasBegun || isSettled(statusOf(turn, state));
    return isOver() || this.isFull ? turnView(turn, state) : this.#wait(turn, isOver);
  }

  async #wait(turn: RunningTurn, isOver: () => boolean): Promise<TurnView> {
    this.#count += 1;
    try {
      await condition(isOver);
      return turnView(turn, this.#session.state);
    } finally {
      this.#count -= 1;
    }
  }
}
