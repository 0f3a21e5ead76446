/** Conversations with messages in them that a model API refuses: it may take the rest. */
import type { Message } from '../contracts/transcript.ts';

/** It names nothing of what was said: the API's own words may quote what it refuses. */
const LEFT_OUT: Readonly<Record<'user' | 'assistant', string>> = {
  user: '[A message that the model API refused is left out here.]',
  assistant: '[This turn ended without an answer.]',
};

/**
 * Leaves out what was said in turns that ended because the API refused a request. Use it for a request that was refused
 * too: after another failure, such as a wrong key, the messages are fine once that is corrected. A turn that is tried
 * again says its message again at the end, and that one stays.
 * @returns undefined if there is nothing of that kind
 */
export function withoutRefused(messages: readonly Message[]): Message[] | undefined {
  const kept = [...messages];
  for (const [end, refused] of messages.entries()) {
    if (refused.role !== 'assistant' || refused.turnId === undefined || refused.error !== 'ModelRejected') continue;
    for (const [index, message] of messages.slice(0, end + 1).entries()) {
      if (message.role === 'tool' || message.turnId !== refused.turnId) continue;
      kept[index] = { ...withoutImages(message), text: LEFT_OUT[message.role] };
    }
  }
  return kept.some(({ text }, index) => text !== messages[index]?.text) ? kept : undefined;
}

function withoutImages(message: Message): Message {
  if (message.role === 'assistant') return message;
  const { images: _, ...rest } = message;
  return rest;
}
