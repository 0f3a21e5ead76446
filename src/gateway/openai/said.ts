/** Messages as a session keeps them. */
import { nameAfterContent } from '../files/given-file.ts';
import { type InputMessage, wordsOf } from './input.ts';

/** A message that a session keeps. */
export type Said = InputMessage & { readonly role: 'user' | 'assistant' };

/** What a person sends at once is one message. Its files are named after their content. */
export function sentAtOnce(sent: readonly InputMessage[], instructions?: string | null): Said {
  const files = sent.flatMap((one) => one.files).map(nameAfterContent);
  return { role: 'user', text: wordsOf(sent, instructions), files };
}

/** The conversation as a session keeps it. */
export function asSaid(messages: readonly InputMessage[]): Said[] {
  const said: Said[] = [];
  let sent: InputMessage[] = [];
  for (const message of messages) {
    if (message.role !== 'assistant') sent.push(message);
    else {
      if (sent.length > 0) said.push(sentAtOnce(sent));
      said.push({ role: 'assistant', text: message.text, files: [] });
      sent = [];
    }
  }
  return said;
}
