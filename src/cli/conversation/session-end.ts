/** Why a session goes on no more, for whoever was following it. */
import type { FollowEvent } from '../../client/follow/follower.ts';
import type { OutsideAct } from '../../client/reading/outside-acts.ts';
import { DELETED } from '../../client/reading/cut-off.ts';
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { paint } from '../terminal.ts';

const WAS_DELETED = 'The session was deleted.';

/** Lines that say what ended the session, if somebody did from outside, and that it has ended. */
export async function endText(session: SessionHandle): Promise<string> {
  try {
    const { outsideActs } = await session.describe();
    if (outsideActs.some(({ reason }) => reason === DELETED)) return WAS_DELETED;
    return [...outsideActs.map(actText), 'The session has ended.'].join('\n');
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return WAS_DELETED;
    // What was shown is all there is to say.
    return 'The session has ended.';
  }
}

/** The events of a session that exists. If it is deleted, they end, and that is no error. */
export async function* untilDeleted(events: AsyncIterable<FollowEvent>): AsyncGenerator<FollowEvent> {
  try {
    yield* events;
  } catch (error) {
    if (!(error instanceof CopilotError) || error.type !== 'SessionNotFound') throw error;
  }
}

/** What somebody did to the workflow, and what to do about it. */
export function actText({ kind, at, by, reason, advice }: OutsideAct): string {
  return paint('yellow', `! ${at ?? ''} ${kind}${by === null ? '' : ` by ${by}`}: ${reason}. ${advice}`);
}
