/** What goes along to the next run of a session, and whether it may. */
import { utf8Bytes } from '../../contracts/json.ts';
import { MAX_CARRIED_BYTES } from '../../contracts/limits.ts';
import type { SessionState } from '../../contracts/session.ts';
import type { LiveSession } from './live-session.ts';

type Carrier = Pick<LiveSession, 'state' | 'context'>;

export function carriedOf({ state, context }: Carrier): SessionState {
  return { ...state, context: context.toJSON() };
}

/** Whether it is more than Temporal takes: it ends a workflow that continues with more, and everything would be lost. */
export function isTooHeavy(session: Carrier): boolean {
  const json = JSON.stringify(carriedOf(session));
  // No UTF-16 unit takes more than three bytes.
  return 3 * json.length > MAX_CARRIED_BYTES && utf8Bytes(json) > MAX_CARRIED_BYTES;
}
