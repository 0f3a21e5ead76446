/**
 * Recovers messages that a summary has replaced in a session's conversation. A session continues as new before it drops
 * messages, so the input of some earlier run still has them.
 */
import { z } from 'zod';
import { SessionExport } from '../../contracts/export.ts';
import { exportSession, transcript, type TranscriptPage } from '../../contracts/messages.ts';
import { Message, standsForOthers } from '../../contracts/transcript.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { querySession, describeSession } from './session-queries.ts';
import { runsOf } from './session-runs.ts';

/** Not `pick`ed from the strict schema, which would refuse the other fields. */
const Exported = z.object({
  conversation: SessionExport.shape.conversation,
  earlier: SessionExport.shape.earlier,
});
/** The conversation in a run's input. */
const RunInput = z.union([
  z.object({ carried: z.object({ transcript: z.object({ messages: z.array(Message) }) }) }),
  z.object({ start: z.object({ from: Exported.optional() }) }),
]);

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The whole conversation from index `from` on.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
 */
export async function wholeTranscript(
  link: ServerLink,
  sessionId: string,
  { from = 0, signal }: ReadOptions & { readonly from?: number } = {},
): Promise<TranscriptPage> {
  const { runId } = await describeSession(link, sessionId, { signal });
  const { address, messages } = await querySession(link, sessionId, transcript, [0], { runId, signal });
  const earlier = await earlierMessages(link, sessionId, messages, { runId, signal });
  return { address, from, messages: joined(earlier, messages).slice(from) };
}

/**
 * The export of the run `runId`, or of the newest, with the whole conversation.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
 */
export async function wholeExport(
  link: ServerLink,
  sessionId: string,
  { signal, ...given }: ReadOptions & { readonly runId?: string } = {},
): Promise<SessionExport> {
  const runId = given.runId ?? (await describeSession(link, sessionId, { signal })).runId;
  const file = await querySession(link, sessionId, exportSession, [], { runId, signal });
  const earlier = await earlierMessages(link, sessionId, file.conversation, { runId, signal });
  return earlier.length === 0 ? file : { ...file, earlier: [...earlier] };
}

/**
 * The messages before `live`, the conversation of the run `runId`, oldest first, as far back as the server still has
 * runs. If it has forgotten the oldest, the first message is the summary of what they had. Empty if nothing is missing.
 * Needs no worker.
 */
async function earlierMessages(
  link: ServerLink,
  sessionId: string,
  live: readonly Message[],
  { runId, signal }: ReadOptions & { readonly runId: string },
): Promise<readonly Message[]> {
  let whole = live;
  if (!isCut(whole)) return [];
  for await (const { input } of runsOf(link, sessionId, runId, signal)) {
    whole = prependMissing(whole, messagesOf(input));
    if (!isCut(whole)) break;
  }
  // Without the messages of `live`. If only the summary of `live` is left, nothing was recovered.
  const count = whole.length - (live.length - 1);
  return count === 1 && isCut(whole) ? [] : whole.slice(0, count);
}

/** If there are earlier messages, the first of `live` is their summary. */
function joined(earlier: readonly Message[], live: readonly Message[]): readonly Message[] {
  return earlier.length === 0 ? live : [...earlier, ...live.slice(1)];
}

function isCut([first]: readonly Message[]): boolean {
  return first !== undefined && standsForOthers(first);
}

function messagesOf(input: unknown): readonly Message[] {
  const parsed = RunInput.safeParse(input);
  if (!parsed.success) return [];
  if ('carried' in parsed.data) return parsed.data.carried.transcript.messages;
  const { from } = parsed.data.start;
  return from ? joined(from.earlier ?? [], from.conversation) : [];
}

/**
 * Adds the messages of `before`, an earlier state of the conversation, that `whole` lacks at its beginning. The end of
 * `before` may overlap with the beginning of `whole`.
 */
export function prependMissing(whole: readonly Message[], before: readonly Message[]): readonly Message[] {
  const said = whole.slice(1);
  const texts = before.map(textOf);
  const saidTexts = said.slice(0, before.length).map(textOf);
  const from = texts.findIndex((_, index) => texts.slice(index).every((text, offset) => text === saidTexts[offset]));
  const missing = from < 0 ? before : before.slice(0, from);
  return missing.length === 0 ? whole : [...missing, ...said];
}

function textOf(message: Message): string {
  const { role, text } = message;
  return JSON.stringify([role, text, role === 'tool' ? message.toolCallId : (message.turnId ?? null)]);
}
