/** Reads a reply: server-sent events, or one JSON value. What it is shows in its first bytes, not in its headers. */
import { createParser } from 'eventsource-parser';
import { setTimeout as sleep } from 'node:timers/promises';

export type ReplyPart =
  /** The data of an event. `isError` says that the server named the event so. */
  | { readonly kind: 'event'; readonly value: unknown; readonly isError: boolean }
  /** The whole reply at once. */
  | { readonly kind: 'whole'; readonly value: unknown }
  /** The server said that nothing more comes. */
  | { readonly kind: 'done' };

/** How long a server may take to end its response after `[DONE]`, in milliseconds. Then the connection is closed. */
const DRAIN_MS = 100;
/** How long a stream may stay open after the reply has ended, in milliseconds. Usage may still come. */
const LINGER_MS = 5_000;

/**
 * @param isFinished whether the parts so far say that the reply has ended
 * @throws SyntaxError if an event, or the whole reply, is not JSON
 */
export async function* readParts(
  response: Response,
  isFinished: () => boolean,
): AsyncGenerator<ReplyPart, void, undefined> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let start = '';
  let isEnd = false;
  try {
    while (!isEnd && start.trimStart() === '') {
      const { done, value } = await reader.read();
      isEnd = done;
      start += done ? decoder.decode() : decoder.decode(value, { stream: true });
    }
    if (/^\s*[[{]/.test(start)) {
      const parts = [start];
      while (!isEnd) {
        const { done, value } = await reader.read();
        isEnd = done;
        parts.push(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      }
      yield { kind: 'whole', value: JSON.parse(parts.join('')) };
      return;
    }
    // A page, though its headers do not say so.
    if (start.trimStart().startsWith('<')) {
      yield { kind: 'whole', value: start };
      return;
    }
    isEnd = yield* readEvents({ reader, decoder, start, isFinished });
  } finally {
    if (!isEnd) await reader.cancel().catch(() => undefined);
  }
}

type Reader = ReadableStreamDefaultReader<Uint8Array>;

interface Stream {
  readonly reader: Reader;
  readonly decoder: InstanceType<typeof TextDecoder>;
  /** What was read already. */
  readonly start: string;
  readonly isFinished: () => boolean;
}

/** @returns whether the stream was read to its end */
async function* readEvents({ reader, decoder, start, isFinished }: Stream): AsyncGenerator<ReplyPart, boolean> {
  const events: { data: string; isError: boolean }[] = [];
  const parser = createParser({
    // Some gateways put an event into the data of another.
    onEvent: ({ data, event }) => void events.push({ data: data.replace(/^data: ?/, ''), isError: event === 'error' }),
    // Older versions of llama.cpp write `error: {…}` in place of data.
    onError: ({ field, value }) => void (field === 'error' && events.push({ data: value ?? '', isError: true })),
  });
  parser.feed(start);
  for (let isEnd = false; ;) {
    for (const { data, isError } of events.splice(0)) {
      const isDone = /^\[DONE\]/m.test(data);
      if (!data.startsWith('[DONE]') && /^\s*[[{]/.test(data))
        for (const value of valuesIn(data)) yield { kind: 'event', value, isError };
      // Everything else is a ping, if the server does not call it an error.
      else if (isError) yield { kind: 'event', value: { message: data }, isError };
      if (!isDone) continue;
      yield { kind: 'done' };
      await drain(reader);
      return true;
    }
    if (isEnd) return true;
    const next = isFinished()
      ? await Promise.race([reader.read(), sleep(LINGER_MS, undefined, { ref: false })])
      : await reader.read();
    if (!next) return false;
    isEnd = next.done;
    // The last event of some servers has no blank line after it.
    parser.feed(next.done ? `${decoder.decode()}\n\n` : decoder.decode(next.value, { stream: true }));
  }
}

/** One value, or one on each line: some servers leave out the blank lines between events. @throws SyntaxError if it is neither */
function valuesIn(data: string): unknown[] {
  try {
    return [JSON.parse(data)];
  } catch (error) {
    const lines = data.split('\n').filter((line) => !line.startsWith('[DONE]'));
    if (lines.length === 1 && lines[0] === data) throw error;
    return lines.map((line): unknown => JSON.parse(line));
  }
}

/** A response that was read to its end leaves its connection for the next call. */
async function drain(reader: Reader): Promise<void> {
  const rest = async (): Promise<void> => {
    for (;;) {
      const { done } = await reader.read();
      if (done) return;
    }
  };
  await Promise.race([rest(), sleep(DRAIN_MS, undefined, { ref: false })]).catch(() => undefined);
  await reader.cancel().catch(() => undefined);
}
