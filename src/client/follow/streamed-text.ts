/** Gives followers the text and the reasoning of running model calls: no part twice, and none missing. */
import type { Excerpt, StreamHeartbeat } from '../../contracts/progress.ts';

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

/** What a model shows of its reasoning. Append it to the reasoning before; it is no part of a reply. */
export interface ReasoningEvent extends Omit<TokenEvent, 'type'> {
  readonly type: 'reasoning';
}

/** The worker died or the model failed, and the call starts over. Discard its text and its reasoning. */
export interface ResetEvent {
  readonly type: 'reset';
  readonly turnId: string;
  readonly activityId: string;
}

export type TextEvent = TokenEvent | ReasoningEvent | ResetEvent;

export interface ModelCall {
  readonly turnId: string;
  readonly activityId: string;
  readonly step?: number;
}

/** How a call ended: its whole text, and the end of its reasoning. */
export interface CallEnd {
  readonly activityId: string;
  readonly text: string;
  readonly reasoning?: Excerpt;
}

/** What was shown of a text. */
interface Shown {
  /** Offset of the shown text in the text of the call. It is above 0 only for a follower that joined later. */
  start: number;
  text: string;
}

interface OpenCall {
  readonly call: ModelCall;
  attempt: number;
  readonly text: Shown;
  readonly reasoning: Shown;
}

/** Keeps what was shown of each running model call. */
export class StreamedText {
  readonly #open = new Map<string, OpenCall>();

  get activityIds(): string[] {
    return [...this.#open.keys()];
  }

  /** A call has begun, perhaps for the second time: a suspended session repeats a cancelled call. */
  begin(call: ModelCall): TextEvent[] {
    const before = this.#open.get(call.activityId);
    this.#open.set(call.activityId, { call, attempt: 1, text: nothing(), reasoning: nothing() });
    return before && hasShown(before) ? [reset(before.call)] : [];
  }

  /** An attempt is running. The text of earlier ones is void. */
  attempt(activityId: string, attempt: number): TextEvent[] {
    const open = this.#open.get(activityId);
    if (!open || attempt <= open.attempt) return [];
    const hadText = hasShown(open);
    Object.assign(open, { attempt, text: nothing(), reasoning: nothing() });
    return hadText ? [reset(open.call)] : [];
  }

  /**
   * A heartbeat brings the latest part of a call's text.
   * @param joinsLate whether the follower joined during the call, so that text before this part is not missed
   */
  heartbeat(activityId: string, heartbeat: StreamHeartbeat, joinsLate: boolean): TextEvent[] {
    const events = this.attempt(activityId, heartbeat.attempt);
    const open = this.#open.get(activityId);
    if (!open || heartbeat.attempt < open.attempt) return events;
    const { call, text, reasoning } = open;
    if (heartbeat.reasoning) events.push(...added(call, 'reasoning', grow(reasoning, heartbeat.reasoning, joinsLate)));
    return [...events, ...added(call, 'token', grow(text, heartbeat, joinsLate))];
  }

  /** The call has ended. Gives the parts that were not shown. */
  end({ activityId, text, reasoning }: CallEnd): TextEvent[] {
    const open = this.#open.get(activityId);
    this.#open.delete(activityId);
    if (!open) return [];
    const whole = { offset: 0, text };
    const thought = reasoning ?? { offset: 0, text: '' };
    const { call } = open;
    // The shown text may be that of an attempt whose failure was not seen.
    const isVoid = !continues(open.text, whole) || !continues(open.reasoning, thought);
    const from = isVoid ? { text: nothing(), reasoning: nothing() } : open;
    return [
      ...(isVoid ? [reset(call)] : []),
      ...added(call, 'reasoning', rest(from.reasoning, thought)),
      ...added(call, 'token', rest(from.text, whole)),
    ];
  }

  /** Forgets all calls, because their turn has ended. */
  clear(): void {
    this.#open.clear();
  }
}

const nothing = (): Shown => ({ start: 0, text: '' });

const endOf = ({ start, text }: Shown): number => start + text.length;

const hasShown = ({ text, reasoning }: OpenCall): boolean => text.text !== '' || reasoning.text !== '';

/** Adds what an excerpt brings. @returns that part */
function grow(shown: Shown, { offset, text }: Excerpt, joinsLate: boolean): string {
  if (shown.text === '' && offset > 0 && joinsLate) shown.start = offset;
  const position = endOf(shown);
  // The end of the call fills the gap.
  if (offset > position) return '';
  const more = wholeCharacters(text.slice(position - offset));
  shown.text += more;
  return more;
}

/** Whether the last excerpt of a text goes on where the shown part ends. */
function continues(shown: Shown, { offset, text }: Excerpt): boolean {
  const from = Math.max(offset, shown.start);
  const to = Math.min(offset + text.length, endOf(shown));
  if (endOf(shown) > offset + text.length) return false;
  return (
    to <= from || shown.text.slice(from - shown.start, to - shown.start) === text.slice(from - offset, to - offset)
  );
}

/** The part of the last excerpt that was not shown. */
function rest(shown: Shown, { offset, text }: Excerpt): string {
  return text.slice(Math.max(0, endOf(shown) - offset));
}

function added(call: ModelCall, type: 'token' | 'reasoning', text: string): TextEvent[] {
  return text === '' ? [] : [{ type, ...call, text }];
}

const reset = ({ turnId, activityId }: ModelCall): ResetEvent => ({ type: 'reset', turnId, activityId });

/** Without a trailing half of a surrogate pair. */
function wholeCharacters(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}
