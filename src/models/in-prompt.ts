/** What goes into the text of a request for servers that have no field for it. */
import { createHash } from 'node:crypto';
import type { Optional } from './dialect.ts';
import type { ModelMessage } from './model.ts';

export function schemaPrompt(schema: Readonly<Record<string, unknown>>): string {
  return `Answer with one JSON object and nothing else. It must match this JSON schema:\n${JSON.stringify(schema)}`;
}

/** The message with a line in place of its images. */
function withoutImages(message: ModelMessage): ModelMessage {
  if (message.role === 'assistant' || !message.images?.length) return message;
  const { images, ...rest } = message;
  const line = `[${images.length} image${images.length === 1 ? '' : 's'} left out: this model takes text only.]`;
  return { ...rest, text: rest.text === '' ? line : `${rest.text}\n\n${line}` };
}

/** The messages in the forms that every server takes: short ids of letters and digits, or roles that alternate. */
export function adapted(messages: readonly ModelMessage[], without: ReadonlySet<Optional>): readonly ModelMessage[] {
  let list: readonly ModelMessage[] = messages;
  if (without.has('images')) list = list.map(withoutImages);
  if (without.has('foreign ids')) list = list.map(withPlainIds);
  return without.has('equal roles') ? list.reduce(joinUsers, [] as readonly ModelMessage[]) : list;
}

/** Mistral takes ids of exactly nine letters and digits. */
const PLAIN_ID = 9;

function withPlainIds(message: ModelMessage): ModelMessage {
  if (message.role === 'tool') return { ...message, toolCallId: plainId(message.toolCallId) };
  if (message.role === 'user' || !message.toolCalls) return message;
  return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, id: plainId(call.id) })) };
}

function plainId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, PLAIN_ID);
}

function joinUsers(list: readonly ModelMessage[], message: ModelMessage): readonly ModelMessage[] {
  const last = list.at(-1);
  if (last?.role !== 'user' || message.role !== 'user') return [...list, message];
  const images = [...(last.images ?? []), ...(message.images ?? [])];
  const text = `${last.text}\n\n${message.text}`;
  return [...list.slice(0, -1), { role: 'user', text, ...(images.length === 0 ? {} : { images }) }];
}
