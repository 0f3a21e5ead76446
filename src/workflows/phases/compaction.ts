/** Keeps the live conversation short enough for its models: older messages become a summary, their originals go to the archive. */
import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import { utf8Bytes } from '../../contracts/json.ts';
import { KEPT_TRANSCRIPT_BYTES, MAX_TRANSCRIPT_BYTES } from '../../contracts/limits.ts';
import type { SessionState } from '../../contracts/session.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { dropMessages, summariseMessages } from '../session/state/initial-state.ts';
import { spend } from '../session/state/spending.ts';
import { agentCall } from './agent/call.ts';

/** A token of English text has about four bytes. */
const BYTES_OF_A_TOKEN = 4;
/** Fewer messages are not worth a call, and may be a summary themselves. */
const WORTH_A_SUMMARY = 2;

/** Bytes at which the conversation is shortened, and bytes that stay as they are. */
export function compactionOf({ team }: Pick<SessionState, 'team'>): { atBytes: number; keepBytes: number } {
  const { atTokens, keepTokens } = team.definition.compaction ?? {};
  const atBytes = atTokens === undefined ? MAX_TRANSCRIPT_BYTES : atTokens * BYTES_OF_A_TOKEN;
  const keepBytes = keepTokens === undefined ? KEPT_TRANSCRIPT_BYTES : keepTokens * BYTES_OF_A_TOKEN;
  return { atBytes, keepBytes: Math.min(keepBytes, atBytes / 2) };
}

/** Whether the conversation has grown past its limit, or past what a model takes. */
export function isTooLong({ state }: Pick<LiveSession, 'state'>): boolean {
  if (state.isTooLong) return true;
  return !state.current && state.transcript.bytes > compactionOf(state).atBytes && mayShorten({ state });
}

/** Whether there are messages that a summary could take the place of. */
export function mayShorten({ state }: Pick<LiveSession, 'state'>): boolean {
  return olderThan(state, compactionOf(state).keepBytes) >= WORTH_A_SUMMARY;
}

/** Summarises all but the newest messages. */
export async function shorten(session: LiveSession): Promise<void> {
  const { state } = session;
  delete state.isTooLong;
  const upTo = olderThan(state, compactionOf(state).keepBytes);
  if (upTo < WORTH_A_SUMMARY) return;
  const { agent } = state.team.definition.answering;
  const { epoch } = state.transcript.address;
  try {
    const result = await session.call(() =>
      activities.summarise(
        { activityId: `summary-${epoch + 1}`, summary: `summary of ${upTo} older messages` },
        { ...agentCall(session, { id: `summary-${epoch + 1}` }, agent), upTo },
      ),
    );
    spend(state, undefined, `${agent}/${result.model}`, result.usage);
    state.segments.push(result.segment);
    summariseMessages(state, upTo, result.summary);
  } catch (error) {
    if (isCancellation(error) && session.isStopped) return;
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    // Without a summary the models lose more than they have to, and the session goes on.
    dropMessages(state, upTo);
  }
  session.record({ type: 'compacted', messages: upTo });
  session.touch();
}

/** Number of messages before the newest that together have at most `keepBytes`; the last always stays. */
function olderThan({ transcript: { messages } }: SessionState, keepBytes: number): number {
  let from = messages.length - 1;
  let bytes = utf8Bytes(messages[from]?.text ?? '');
  while (from > 0) {
    bytes += utf8Bytes(messages[from - 1]?.text ?? '');
    if (bytes > keepBytes) break;
    from -= 1;
  }
  return Math.max(0, from);
}
