/** When the session goes on in a new run, and what that run begins with. */
import { workflowInfo } from '@temporalio/workflow';
import { utf8Bytes } from '../../contracts/json.ts';
import { DEFAULT_HISTORY_LIMIT, MAX_CARRIED_BYTES } from '../../contracts/limits.ts';
import type { SessionState } from '../../contracts/session-state.ts';
import type { DurableContext } from '../context/context.ts';

/** In the middle of a turn a session moves later than between two turns: most turns end soon, and their callers wait. */
const MID_TURN_SHARE = 1.5;

export class NextRun {
  readonly #state: SessionState;
  readonly #context: DurableContext;
  /** Whether somebody wants the session in another run, and so on the current build. */
  isWanted = false;
  /** Whether this run is about to end: nobody waits any more. */
  isBeginning = false;

  constructor(state: SessionState, context: DurableContext) {
    this.#state = state;
    this.#context = context;
  }

  /** Whether this run should be left between two turns: a cold worker would have to replay too much of it. */
  get isDue(): boolean {
    return this.#isPast(1);
  }

  /** Whether it should be left even in the middle of a turn. */
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
    return (historyLength >= limit || continueAsNewSuggested || this.isWanted) && !this.isTooHeavy;
  }
}
