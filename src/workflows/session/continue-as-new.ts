/** When the session continues as new, and with what. */
import { workflowInfo } from '@temporalio/workflow';
import { utf8Bytes } from '../../contracts/utf8.ts';
import { DEFAULT_HISTORY_LIMIT, MAX_CARRIED_BYTES } from '../../contracts/limits.ts';
import type { SessionState } from '../../contracts/session-state.ts';
import type { DurableContext } from '../context/context.ts';

/** In the middle of a turn a session continues as new later than between two turns: most turns end soon, and their callers wait. */
const MID_TURN_SHARE = 1.5;

/** Thrown where a turn waits, or could wait, and continue-as-new is overdue: the turn goes on from there in the next run. */
export class ContinuesAsNew extends Error {
  override readonly name = 'ContinuesAsNew';
}

export class ContinueAsNew {
  readonly #state: SessionState;
  readonly #context: DurableContext;
  /** Whether somebody asked for a new run, which is then on the current build. */
  isRequested = false;
  /** Whether this run is about to end: nobody waits any more. */
  hasBegun = false;

  constructor(state: SessionState, context: DurableContext) {
    this.#state = state;
    this.#context = context;
  }

  /** Whether to continue as new between two turns: a cold worker would have to replay too much of this run. */
  get isDue(): boolean {
    return this.#isPast(1);
  }

  /** Whether to continue as new even in the middle of a turn. */
  get isOverdue(): boolean {
    return this.#isPast(MID_TURN_SHARE);
  }

  get carried(): SessionState {
    return { ...this.#state, context: this.#context.toJSON(), ephemeral: this.#context.ephemeral };
  }

  /** Whether the state is larger than Temporal takes. It ends a workflow that continues as new with more. */
  get isTooHeavy(): boolean {
    const json = JSON.stringify(this.carried);
    // No UTF-16 unit takes more than three bytes.
    return 3 * json.length > MAX_CARRIED_BYTES && utf8Bytes(json) > MAX_CARRIED_BYTES;
  }

  #isPast(share: number): boolean {
    const { historyLength, continueAsNewSuggested } = workflowInfo();
    const limit = share * (this.#state.config.historyLimit ?? DEFAULT_HISTORY_LIMIT);
    // The server also suggests it after few events that are large, such as signals of strangers.
    return (historyLength >= limit || continueAsNewSuggested || this.isRequested) && !this.isTooHeavy;
  }
}
