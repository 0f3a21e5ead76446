/** Reads a reply that comes as server-sent events. */
import OpenAI from 'openai';
import { createParser } from 'eventsource-parser';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a server may take to end its response after `[DONE]`, in milliseconds. Then the connection is closed. */
const DRAIN_MS = 100;

/**
 * Gives the parsed data of each event up to `[DONE]` or the end.
 * @throws SyntaxError if the data of an event is not JSON
 * @throws OpenAI.APIError if an event carries an error, which servers send under status 200 too
 */
export async function* readEvents(response: Response): AsyncGenerator<unknown, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const texts: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => void texts.push(data) });
  const decoder = new TextDecoder();
  let isDone = false;
  try {
    while (!isDone) {
      const { done, value } = await reader.read();
      // The last event of some servers has no blank line after it.
      if (done) parser.feed(`${decoder.decode()}\n\n`);
      else parser.feed(decoder.decode(value, { stream: true }));
      for (const text of texts.splice(0)) {
        if (text.startsWith('[DONE]')) {
          isDone = true;
          await drain(reader);
          return;
        }
        yield checked(JSON.parse(text), response.headers);
      }
      if (done) return;
    }
  } finally {
    if (!isDone) await reader.cancel().catch(() => undefined);
  }
}

/** A response that was read to its end leaves its connection for the next call. */
async function drain(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const rest = async (): Promise<void> => {
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
    }
  };
  await Promise.race([rest(), sleep(DRAIN_MS, undefined, { ref: false })]).catch(() => undefined);
  await reader.cancel().catch(() => undefined);
}

/** @throws OpenAI.APIError if the body is an error */
export function checked(body: unknown, headers: Headers): unknown {
  if (typeof body === 'object' && body !== null && 'error' in body && body.error) {
    throw new OpenAI.APIError(undefined, body.error, undefined, headers);
  }
  return body;
}
