/** What followers were shown of the model calls that run: no text twice, none missing. */
import type { StreamHeartbeat } from '../../contracts/progress.ts';

/** New text of a model call, to be appended to what came before. */
export interface TokenEvent {
  readonly type: 'token';
  readonly turnId: string;
  readonly activityId: string;
  readonly step?: number;
  readonly text: string;
}

/** What was shown of this call is void: its worker died or the model failed, and it begins anew. */
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
  /** Where in the call's text the shown part begins; behind the start only for who came later. */
  start: number;
  shown: string;
}

/** Keeps, for each running model call, the text that was handed out. */
export class StreamedText {
  readonly #open = new Map<string, OpenCall>();

  get activityIds(): string[] {
    return [...this.#open.keys()];
  }

  /** A call has begun, maybe for the second time: suspended sessions do a stopped call again. */
  begin(call: ModelCall): TextEvent[] {
    const before = this.#open.get(call.activityId);
    this.#open.set(call.activityId, { call, attempt: 1, start: 0, shown: '' });
    return before && before.shown !== '' ? [reset(before.call)] : [];
  }

  /** An attempt is under way; what lower ones said is void. */
  attempt(activityId: string, attempt: number): TextEvent[] {
    const open = this.#open.get(activityId);
    if (!open || attempt <= open.attempt) return [];
    const hadText = open.shown !== '';
    Object.assign(open, { attempt, start: 0, shown: '' });
    return hadText ? [reset(open.call)] : [];
  }

  /**
   * The end of a call's text so far.
   * @param joinsLate whether what lies before the heartbeat's window was never going to be shown
   */
  heartbeat(activityId: string, { attempt, offset, text }: StreamHeartbeat, joinsLate: boolean): TextEvent[] {
    const events = this.attempt(activityId, attempt);
    const open = this.#open.get(activityId);
    if (!open || attempt < open.attempt) return events;
    if (open.shown === '' && offset > 0 && joinsLate) open.start = offset;
    const position = open.start + open.shown.length;
    // A gap closes with the whole text, at the end of the call.
    if (offset > position) return events;
    const added = wholeCharacters(text.slice(position - offset));
    if (added === '') return events;
    open.shown += added;
    return [...events, token(open.call, added)];
  }

  /** The call has ended with this text: gives what was not shown of it. */
  end({ activityId }: Pick<ModelCall, 'activityId'>, text: string): TextEvent[] {
    const open = this.#open.get(activityId);
    this.#open.delete(activityId);
    if (!open) return [];
    const position = open.start + open.shown.length;
    if (text.slice(open.start, position) === open.shown)
      return position < text.length ? [token(open.call, text.slice(position))] : [];
    // The text of an attempt that nobody saw fail.
    return [reset(open.call), ...(text === '' ? [] : [token(open.call, text)])];
  }

  /** Forgets calls that no longer run, such as those of a turn that was ended. */
  clear(): void {
    this.#open.clear();
  }
}

const reset = ({ turnId, activityId }: ModelCall): ResetEvent => ({ type: 'reset', turnId, activityId });

const token = (call: ModelCall, text: string): TokenEvent => ({ type: 'token', ...call, text });

/** Without the first half of a character whose second half has not come yet. */
function wholeCharacters(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
