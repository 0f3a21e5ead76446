/** What a follower at an older position was not given of texts that are being written. */
import type { FollowEvent, ReasoningEvent, TokenEvent } from '../../client.ts';
import type { CallPosition, Position } from '../../client/follow/cursor.ts';
import { extendShown, hasText, nothingShown } from '../../client/follow/shown-text.ts';

/**
 * The texts between two positions before the same event.
 * @param events what led to `present`, as far as it is kept
 * @returns undefined if the way from the one to the other cannot be told from these events
 */
export function missingText(
  wanted: Position,
  present: Position,
  events: readonly FollowEvent[],
): readonly (TokenEvent | ReasoningEvent)[] | undefined {
  if (wanted.calls.length !== present.calls.length) return undefined;
  const told = new Map(wanted.told);
  if (present.told.some(([id, attempt]) => told.get(id) !== attempt)) return undefined;
  const missing: (TokenEvent | ReasoningEvent)[] = [];
  for (const to of present.calls) {
    const from = wanted.calls.find(({ id, attempt }) => id === to.id && attempt === to.attempt);
    if (from === undefined) return undefined;
    for (const type of ['reasoning', 'token'] as const) {
      const text = between(from, to, type, events);
      if (text === undefined) return undefined;
      const { id: activityId, turnId, step, attempt } = to;
      const offset = from[type === 'token' ? 'text' : 'reasoning'].end;
      const call = { turnId, activityId, ...(step === undefined ? {} : { step }) };
      if (text !== '') missing.push({ type, ...call, attempt, offset, text });
    }
  }
  return missing;
}

function between(
  one: CallPosition,
  other: CallPosition,
  type: 'token' | 'reasoning',
  events: readonly FollowEvent[],
): string | undefined {
  const kind = type === 'token' ? 'text' : 'reasoning';
  const [from, to] = [one[kind], other[kind]];
  if (from.end > to.end) return undefined;
  if (from.end === to.end && from.start === to.start) return from.hash === to.hash ? '' : undefined;
  const kept = keptText(other.id, type, events);
  const start = to.end - kept.length;
  if (start > from.end) return undefined;
  // An attempt may have been replaced by another one that has the same number for the follower.
  if (hasText(from) && start <= from.start) {
    const same = extendShown(
      { ...nothingShown(), start: from.start },
      kept.slice(from.start - start, from.end - start),
    );
    if (same.hash !== from.hash) return undefined;
  }
  return kept.slice(from.end - start);
}

/** The end of what a call has written, as far as the events tell it. */
function keptText(id: string, type: 'token' | 'reasoning', events: readonly FollowEvent[]): string {
  let text = '';
  for (const event of events) {
    if (!('activityId' in event) || event.activityId !== id) continue;
    if (event.type === type) text += event.text;
    else if (event.type === 'reset' || event.type === 'model-started') text = '';
  }
  return text;
}
