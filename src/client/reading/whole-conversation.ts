/**
 * Messages that have left a session's live conversation: a summary stands for them, or a remark that they were left
 * out. A session continues as new before it lets messages go, so that the input of some run of it still has them.
 */
import { z } from 'zod';
import { SessionExport } from '../../contracts/export.ts';
import { exportSession, transcript, type TranscriptPage } from '../../contracts/messages.ts';
import { Message, standsForOthers } from '../../contracts/transcript.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { querySession, describeSession } from './session-queries.ts';
import { runsOf } from './session-runs.ts';

/** Not picked from the whole: that would refuse the fields that are not wanted here. */
const Exported = z.object({
  conversation: SessionExport.shape.conversation,
  earlier: SessionExport.shape.earlier,
});
/** Of what a run is started with, only its conversation. */
const RunInput = z.union([
  z.object({ carried: z.object({ transcript: z.object({ messages: z.array(Message) }) }) }),
  z.object({ start: z.object({ from: Exported.optional() }) }),
]);

interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The whole conversation, from index `from` of it on.
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
 * The session with all that was said, of the run `runId` or of the newest.
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
 * What was said before `live`, the conversation as the run `runId` has it, oldest first: as far back as the server
 * still has the runs. Where it has not, the first one is the summary of what was before. Empty where nothing is
 * missing. Needs no worker.
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
    whole = filledUp(whole, messagesOf(input));
    if (!isCut(whole)) break;
  }
  // All but those of `live` that are no summary; none at all where it is still the summary of `live` that comes first.
  const count = whole.length - (live.length - 1);
  return count === 1 && isCut(whole) ? [] : whole.slice(0, count);
}

/** The first of `live` is the summary of what was said earlier, where there is such a thing. */
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
 * `whole` with what `before`, the conversation of an earlier time, has more at its begin. The two overlap, where
 * they do, in the end of the one and the begin of the other.
 */
export function filledUp(whole: readonly Message[], before: readonly Message[]): readonly Message[] {
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
