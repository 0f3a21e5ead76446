/** Summarises older messages. The archive keeps the originals, named by their hash. */
import type { SummariseInput, SummariseResult } from '../contracts/activities.ts';
import { section } from '../contracts/briefs.ts';
import { imageLine } from '../contracts/image.ts';
import { imagesOf, type Message } from '../contracts/transcript.ts';
import { describeCall, readTranscript, withAgent, type WorkerParts } from './agent-call.ts';
import { askModel } from '../agents/ask-model.ts';
import { systemPrompt } from '../agents/prompt.ts';
import { archiveMessages } from '../storage/archive.ts';
import type { ObjectStore } from '../storage/stores/object-store.ts';
import { inScope } from './scope.ts';
import { beginningOf, endingOf } from '../contracts/text-cut.ts';

/** Longest summary, in UTF-16 units. */
const MAX_SUMMARY_TEXT = 16_000;
/** How much of one message is quoted. Its beginning and end say what it is about. */
const MAX_QUOTED_TEXT = 8_000;

/** Archives the originals before the summary replaces them. */
export async function summarise(
  parts: WorkerParts,
  store: ObjectStore,
  input: SummariseInput,
): Promise<SummariseResult> {
  return await inScope((scope) =>
    withAgent(parts, scope, input, async (open) => {
      const { team, instructions } = open;
      const messages = (await readTranscript(parts, scope, input.transcript)).slice(0, input.upTo);
      const segment = await archiveMessages(store, scope.sessionId, messages);
      const reply = await askModel(
        open,
        {
          system: systemPrompt(instructions, 'summary', team.definition),
          messages: [{ role: 'user', text: section('conversation', messages.map(quoteMessage).join('\n\n')) }],
          signal: scope.signal,
        },
        { from: input.model, attempt: scope.attempt },
      );
      return {
        summary: beginningOf(reply.text, MAX_SUMMARY_TEXT),
        segment,
        ...describeCall(parts, team, [reply]),
      };
    }),
  );
}

function quoteMessage(message: Message): string {
  const { role, text } = message;
  const half = MAX_QUOTED_TEXT / 2;
  const shown = text.length <= MAX_QUOTED_TEXT ? text : `${beginningOf(text, half)}\n[…]\n${endingOf(text, half)}`;
  return [`${role}: ${shown}`, ...imagesOf(message).map(imageLine)].join('\n');
}
