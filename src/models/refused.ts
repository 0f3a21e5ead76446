/** Conversations with messages in them that a model API refuses: without those it may take the rest. */
import type { Message } from '../contracts/transcript.ts';

/** How the session writes down that a turn ended with `ModelRejected`. */
const REFUSED = /^\[This turn ended without an answer: The model API refused the request\b/;

/** It names nothing of what was said: the API's own words may quote what it refuses. */
const LEFT_OUT: Readonly<Record<'user' | 'assistant', string>> = {
  user: '[A message that the model API refused is left out here.]',
  assistant: '[This turn ended without an answer.]',
};

/**
 * The conversation without what was said in turns that the API refused before, or undefined where there is nothing of
 * that. It is for a request that was refused, too: what failed for another reason, such as a wrong key, stays as it is
 * once that is put right. A turn that is tried again says its message anew, behind.
 */
export function withoutRefused(messages: readonly Message[]): Message[] | undefined {
  const kept = [...messages];
  for (const [end, refused] of messages.entries()) {
    if (refused.role !== 'assistant' || refused.turnId === undefined || !REFUSED.test(refused.text)) continue;
    for (const [index, message] of messages.slice(0, end + 1).entries()) {
      if (message.role === 'tool' || message.turnId !== refused.turnId) continue;
      kept[index] = { ...message, text: LEFT_OUT[message.role] };
    }
  }
  return kept.some(({ text }, index) => text !== messages[index]?.text) ? kept : undefined;
}
