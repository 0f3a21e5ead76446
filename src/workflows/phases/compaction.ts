/** Keeps the live conversation short enough for its models: older messages become a summary, their originals go to the archive. */
import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import { KEPT_TRANSCRIPT_BYTES, MAX_TRANSCRIPT_BYTES } from '../../contracts/limits.ts';
import type { SessionView } from '../../contracts/session-state.ts';
import type { Message } from '../../contracts/transcript.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { BYTES_OF_A_TOKEN, conversationBytes } from '../session/state/conversation.ts';
import { agentCall } from './agent/call.ts';

/** A single message is not worth a call: it may be a summary itself. */
const WORTH_A_SUMMARY = 2;

/** Bytes at which the conversation is shortened, and bytes that stay as they are. */
function compactionOf({ team }: Pick<SessionView, 'team'>): { atBytes: number; keepBytes: number } {
  const { atTokens, keepTokens } = team.definition.compaction ?? {};
  const atBytes = atTokens === undefined ? MAX_TRANSCRIPT_BYTES : atTokens * BYTES_OF_A_TOKEN;
  const keepBytes = keepTokens === undefined ? KEPT_TRANSCRIPT_BYTES : keepTokens * BYTES_OF_A_TOKEN;
  return { atBytes, keepBytes: Math.min(keepBytes, atBytes / 2) };
}

/** Whether the conversation has grown past its limit, or past what a model takes. */
export function isTooLong({ state, turns }: LiveSession): boolean {
  if (state.current) return turns.next?.kind === 'shorten';
  return state.transcript.bytes > compactionOf(state).atBytes && canShorten(state);
}

/** Whether there are messages that a summary could replace. */
export function canShorten(state: SessionView): boolean {
  return olderThan(state, compactionOf(state).keepBytes) >= WORTH_A_SUMMARY;
}

/** Summarises all but the newest messages. */
export async function shortenConversation(session: LiveSession): Promise<void> {
  const { state } = session;
  const upTo = olderThan(state, compactionOf(state).keepBytes);
  if (upTo < WORTH_A_SUMMARY) return session.turns.goOnShortened();
  const { agent } = state.team.definition.answering;
  const { epoch } = state.transcript.address;
  try {
    const result = await session.calls.run(() =>
      activities.summarise(
        { activityId: `summary-${epoch + 1}`, summary: `summary of ${upTo} older messages` },
        { ...agentCall(session, state.current ?? { id: `summary-${epoch + 1}` }, agent), upTo },
      ),
    );
    session.spending.countSummary(agent, result);
    session.conversation.summarise(upTo, result.summary, result.segment);
  } catch (error) {
    if (isCancellation(error) && session.isStopped) return;
    if (!(error instanceof ActivityFailure) || isCancellation(error)) throw error;
    // The models lose more without a summary, but the session goes on.
    session.conversation.omit(upTo);
  }
  session.turns.goOnShortened();
  session.view.record({ type: 'compacted', messages: upTo });
  session.view.touch();
}

/** Number of messages before the newest that together have at most `keepBytes`; the last always stays. */
function olderThan({ transcript: { messages } }: SessionView, keepBytes: number): number {
  let from = messages.length - 1;
  let bytes = sizeOf(messages[from]);
  while (from > 0) {
    bytes += sizeOf(messages[from - 1]);
    if (bytes > keepBytes) break;
    from -= 1;
  }
  return Math.max(0, from);
}

function sizeOf(message: Message | undefined): number {
  return message ? conversationBytes(message) : 0;
}
