/** Gives followers the text and the reasoning of running model calls: no part twice, and none missing. */
import type { Excerpt, StreamHeartbeat } from '../../contracts/progress.ts';
import { wholeCharacters } from '../../contracts/text-cut.ts';
import type { CallPosition } from './cursor.ts';
import type { DirectNews } from './direct-texts.ts';
import { continues, extendShown, hasText, nothingShown, type Shown } from './shown-text.ts';

/** New text of a model call. Append it to the text before. */
export interface TokenEvent {
  readonly type: 'token';
  readonly turnId: string;
  /** Id of the call. */
  readonly activityId: string;
  /** Number of the step, if the call belongs to one. */
  readonly step?: number;
  /** Attempt of the call that wrote it, from 1. */
  readonly attempt: number;
  /** Position of `text` in what the call writes, in UTF-16 units. */
  readonly offset: number;
  readonly text: string;
}

/**
 * What a model shows of its reasoning. Append it to the reasoning before; it is no part of a reply. Of a call that has
 * ended, the last 16 KiB are kept: an `offset` beyond the end of the text before tells that a part is missing.
 */
export interface ReasoningEvent extends Omit<TokenEvent, 'type'> {
  readonly type: 'reasoning';
}

/** The worker died or the model failed, and the call starts over. Discard its text and its reasoning. */
export interface ResetEvent {
  readonly type: 'reset';
  readonly turnId: string;
  readonly activityId: string;
  /** The attempt that follows. */
  readonly attempt: number;
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

interface OpenCall {
  readonly call: ModelCall;
  attempt: number;
  text: Shown;
  reasoning: Shown;
}

/** Keeps what was shown of each running model call. */
export class StreamedText {
  readonly #open = new Map<string, OpenCall>();

  get activityIds(): string[] {
    return [...this.#open.keys()];
  }

  /** What was given of each open call. */
  get positions(): CallPosition[] {
    return [...this.#open.values()].map(({ call: { activityId: id, ...call }, ...shown }) => ({
      id,
      ...call,
      ...shown,
    }));
  }

  /** How far the text and the reasoning of an open call were given, and in which attempt. */
  reached(activityId: string): { attempt: number; text: number; reasoning: number } | undefined {
    const open = this.#open.get(activityId);
    return open && { attempt: open.attempt, text: open.text.end, reasoning: open.reasoning.end };
  }

  /** Goes on where a cursor says that another follower stopped. */
  resume({ id, turnId, step, attempt, text, reasoning }: CallPosition): void {
    const call = { turnId, activityId: id, ...(step === undefined ? {} : { step }) };
    this.#open.set(id, { call, attempt, text, reasoning });
  }

  /** A call has begun, perhaps for the second time: a suspended session repeats a cancelled call. */
  begin(call: ModelCall): TextEvent[] {
    const before = this.#open.get(call.activityId);
    const open = { call, attempt: 1, text: nothingShown(), reasoning: nothingShown() };
    this.#open.set(call.activityId, open);
    return before && hasShown(before) ? [reset(open)] : [];
  }

  /** An attempt is running. The text of earlier ones is void. */
  attempt(activityId: string, attempt: number): TextEvent[] {
    const open = this.#open.get(activityId);
    if (!open || attempt <= open.attempt) return [];
    const hadText = hasShown(open);
    Object.assign(open, { attempt, text: nothingShown(), reasoning: nothingShown() });
    return hadText ? [reset(open)] : [];
  }

  /**
   * A heartbeat brings the latest part of a call's text.
   * @param joinsLate whether the follower joined during the call, so that text before this part is not missed
   */
  heartbeat(activityId: string, heartbeat: StreamHeartbeat, joinsLate: boolean): TextEvent[] {
    const events = this.attempt(activityId, heartbeat.attempt);
    const open = this.#open.get(activityId);
    if (!open || heartbeat.attempt < open.attempt) return events;
    if (heartbeat.reasoning) events.push(...grow(open, 'reasoning', heartbeat.reasoning, joinsLate));
    return [...events, ...grow(open, 'text', heartbeat, joinsLate)];
  }

  /** The worker of a call has told what follows on the text that was shown of an attempt. */
  direct({ activityId, attempt, text, reasoning }: DirectNews): TextEvent[] {
    const open = this.#open.get(activityId);
    if (open?.attempt !== attempt) return [];
    return [
      ...(reasoning ? grow(open, 'reasoning', reasoning, false) : []),
      ...(text ? grow(open, 'text', text, false) : []),
    ];
  }

  /** The call has ended. Gives the parts that were not shown. */
  end({ activityId, text, reasoning }: CallEnd): TextEvent[] {
    const open = this.#open.get(activityId);
    this.#open.delete(activityId);
    if (!open) return [];
    const whole = { offset: 0, text };
    const thought = reasoning ?? { offset: 0, text: '' };
    // The shown text may be that of an attempt whose failure was not seen.
    const isVoid = !continues(open.text, whole) || !continues(open.reasoning, thought);
    const from = isVoid
      ? { ...open, attempt: open.attempt + 1, text: nothingShown(), reasoning: nothingShown() }
      : open;
    return [...(isVoid ? [reset(from)] : []), ...rest(from, 'reasoning', thought), ...rest(from, 'text', whole)];
  }

  /** Forgets all calls, because their turn has ended. */
  clear(): void {
    this.#open.clear();
  }
}

const hasShown = ({ text, reasoning }: OpenCall): boolean => hasText(text) || hasText(reasoning);

/** What an excerpt adds to the text that was shown. */
function grow(open: OpenCall, kind: 'text' | 'reasoning', { offset, text }: Excerpt, joinsLate: boolean): TextEvent[] {
  const before = open[kind];
  const shown = !hasText(before) && joinsLate ? { ...nothingShown(), start: offset, end: offset } : before;
  // The end of the call fills the gap.
  if (offset > shown.end) return [];
  return added(open, kind, shown, wholeCharacters(text.slice(shown.end - offset)));
}

/** The part of the last excerpt that was not shown. */
function rest(open: OpenCall, kind: 'text' | 'reasoning', { offset, text }: Excerpt): TextEvent[] {
  const shown = open[kind];
  return added(open, kind, { ...shown, end: Math.max(shown.end, offset) }, text.slice(Math.max(0, shown.end - offset)));
}

function added(open: OpenCall, kind: 'text' | 'reasoning', shown: Shown, text: string): TextEvent[] {
  if (text === '') return [];
  open[kind] = extendShown(shown, text);
  const type = kind === 'text' ? 'token' : 'reasoning';
  return [{ type, ...open.call, attempt: open.attempt, offset: shown.end, text }];
}

const reset = ({ call: { turnId, activityId }, attempt }: OpenCall): ResetEvent => ({
  type: 'reset',
  turnId,
  activityId,
  attempt,
});
