/** Reading what the client library gives: errors by type, events of a session, what a follower has on the screen. */
import assert from 'node:assert/strict';
import type { CopilotError, FollowEvent, SessionHandle } from '../../src/client.ts';

/** @returns the error, after its type and message were checked */
export async function fails(work: Promise<unknown>, type: string, message: RegExp): Promise<CopilotError> {
  const error = await work.then(
    () => assert.fail(`it did not fail with ${type}`),
    (caught: CopilotError) => caught,
  );
  assert.equal(error.type, type, `${error.type}: ${error.message}`);
  assert.match(error.message, message);
  return error;
}

/** Events of a session until one matches, or the session ends. */
export async function collect(
  session: SessionHandle,
  last: (event: FollowEvent) => boolean,
  from?: number,
): Promise<FollowEvent[]> {
  const events: FollowEvent[] = [];
  for await (const event of session.follow(from === undefined ? {} : { from })) {
    events.push(event);
    if (last(event)) break;
  }
  return events;
}

export const isTurnEnd = (event: FollowEvent): boolean => event.type === 'turn-ended';

/** What a reader has on the screen in the end. */
export const screen = (events: readonly FollowEvent[]): string =>
  events.reduce((text, event) => (event.type === 'reset' ? '' : event.type === 'token' ? text + event.text : text), '');

/** The reasoning that a reader has been given in the end. */
export const thoughts = (events: readonly FollowEvent[]): string =>
  events.reduce(
    (text, event) => (event.type === 'reset' ? '' : event.type === 'reasoning' ? text + event.text : text),
    '',
  );

/** Numbers of the events that have one. */
export const seqs = (events: readonly FollowEvent[]): number[] =>
  events.flatMap((event) => ('seq' in event ? [event.seq] : []));
