/** Gives followers the text of running model calls: no part twice, and none missing. */
import type { StreamHeartbeat } from '../../contracts/progress.ts';

/** New text of a model call. Append it to the text before. */
export interface TokenEvent {
  readonly type: 'token';
  readonly turnId: string;
  /** Id of the call. */
  readonly activityId: string;
  /** Number of the step, if the call belongs to one. */
  readonly step?: number;
  readonly text: string;
}

/** The worker died or the model failed, and the call starts over. Discard its text. */
export interface ResetEvent {
  readonly type: 'reset';
  readonly turnId: string;
  readonly activityId: string;
}

export type TextEvent = TokenEvent | ResetEvent;

export interface ModelCall {
  readonly turnId: string;
  readonly activityId: string;
  readonly step?: number;
}

interface OpenCall {
  readonly call: ModelCall;
  attempt: number;
  /** Offset of the shown text in the text of the call. It is above 0 only for a follower that joined later. */
  start: number;
  shown: string;
}

/** Keeps the text that was shown of each running model call. */
export class StreamedText {
  readonly #open = new Map<string, OpenCall>();

  get activityIds(): string[] {
    return [...this.#open.keys()];
  }

  /** A call has begun, perhaps for the second time: a suspended session repeats a cancelled call. */
  begin(call: ModelCall): TextEvent[] {
    const before = this.#open.get(call.activityId);
    this.#open.set(call.activityId, { call, attempt: 1, start: 0, shown: '' });
    return before && before.shown !== '' ? [reset(before.call)] : [];
  }

  /** An attempt is running. The text of earlier ones is void. */
  attempt(activityId: string, attempt: number): TextEvent[] {
    const open = this.#open.get(activityId);
    if (!open || attempt <= open.attempt) return [];
    const hadText = open.shown !== '';
    Object.assign(open, { attempt, start: 0, shown: '' });
    return hadText ? [reset(open.call)] : [];
  }

  /**
   * A heartbeat brings the latest part of a call's text.
   * @param joinsLate whether the follower joined during the call, so that text before this part is not missed
   */
  heartbeat(activityId: string, { attempt, offset, text }: StreamHeartbeat, joinsLate: boolean): TextEvent[] {
    const events = this.attempt(activityId, attempt);
    const open = this.#open.get(activityId);
    if (!open || attempt < open.attempt) return events;
    if (open.shown === '' && offset > 0 && joinsLate) open.start = offset;
    const position = open.start + open.shown.length;
    // The end of the call brings the whole text and fills the gap.
    if (offset > position) return events;
    const added = wholeCharacters(text.slice(position - offset));
    if (added === '') return events;
    open.shown += added;
    return [...events, token(open.call, added)];
  }

  /** The call has ended with this text. Gives the part that was not shown. */
  end({ activityId }: Pick<ModelCall, 'activityId'>, text: string): TextEvent[] {
    const open = this.#open.get(activityId);
    this.#open.delete(activityId);
    if (!open) return [];
    const position = open.start + open.shown.length;
    if (text.slice(open.start, position) === open.shown)
      return position < text.length ? [token(open.call, text.slice(position))] : [];
    // The shown text is that of an attempt whose failure was not seen.
    return [reset(open.call), ...(text === '' ? [] : [token(open.call, text)])];
  }

  /** Forgets all calls, because their turn has ended. */
  clear(): void {
    this.#open.clear();
  }
}

const reset = ({ turnId, activityId }: ModelCall): ResetEvent => ({ type: 'reset', turnId, activityId });

const token = (call: ModelCall, text: string): TokenEvent => ({ type: 'token', ...call, text });

/** Without a trailing half of a surrogate pair. */
function wholeCharacters(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
