/** What goes into the text of a request for servers that have no field for it. */
import type { ModelMessage } from './model.ts';

export function schemaPrompt(schema: Readonly<Record<string, unknown>>): string {
  return `Answer with one JSON object and nothing else. It must match this JSON schema:\n${JSON.stringify(schema)}`;
}

/** The message with a line in place of its images. */
export function withoutImages(message: ModelMessage): ModelMessage {
  if (message.role === 'assistant' || !message.images?.length) return message;
  const { images, ...rest } = message;
  const line = `[${images.length} image${images.length === 1 ? '' : 's'} left out: this model takes text only.]`;
  return { ...rest, text: rest.text === '' ? line : `${rest.text}\n\n${line}` };
}
