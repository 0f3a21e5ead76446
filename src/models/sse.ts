/** Reads a reply: server-sent events, or one JSON value. What it is shows in its first bytes, not in its headers. */
import { createParser } from 'eventsource-parser';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseTolerantly, scanBrackets } from './reading/json-scan.ts';

export type ReplyPart =
  /** The data of an event, and its name. `isError` says that the server named the event so. */
  | { readonly kind: 'event'; readonly value: unknown; readonly name?: string | undefined; readonly isError: boolean }
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
      yield* wholeOf(parts.join(''));
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
  const events: { data: string; name?: string | undefined }[] = [];
  let isStream = false;
  const parser = createParser({
    // Some gateways put an event into the data of another.
    onEvent: ({ data, event }) => void events.push({ data: data.replace(/^data: ?/, ''), name: event }),
    onComment: () => void (isStream = true),
    // Older versions of llama.cpp write `error: {…}` in place of data.
    onError: ({ field, value }) => void (field === 'error' && events.push({ data: value ?? '', name: 'error' })),
  });
  let isLineStart = true;
  const feed = (text: string): void => {
    // Some gateways write an error as a line of JSON, without a field.
    parser.feed(text.replace(isLineStart ? /(?<=^|[\n\r])(?=\{)/g : /(?<=[\n\r])(?=\{)/g, 'data: '));
    isLineStart = text === '' ? isLineStart : /[\n\r]$/.test(text);
  };
  feed(start);
  for (let isEnd = false; ;) {
    for (const { data, name } of events.splice(0)) {
      isStream = true;
      const isError = name === 'error';
      const isDone = DONE.test(data) || name === 'done';
      const values = DONE_ONLY.test(data) ? [] : valuesIn(data.replace(DONE, ''));
      for (const value of values) yield { kind: 'event', value, name, isError };
      // Everything else is a ping, if the server does not call it an error.
      if (isError && values.length === 0) yield { kind: 'event', value: { message: data }, isError };
      if (!isDone) continue;
      yield { kind: 'done' };
      await drain(reader);
      return true;
    }
    if (isEnd) {
      // Not one event: words such as `Unauthorized`.
      if (!isStream && start.trim() !== '') yield { kind: 'whole', value: start.trim() };
      return true;
    }
    const next = isFinished()
      ? await Promise.race([reader.read(), sleep(LINGER_MS, undefined, { ref: false })])
      : await reader.read();
    if (!next) return false;
    isEnd = next.done;
    // The last event of some servers has no blank line after it.
    feed(next.done ? `${decoder.decode()}\n\n` : decoder.decode(next.value, { stream: true }));
  }
}

/** The end of a stream as OpenAI writes it, and as its copies do; some leave out the line end before it. */
const DONE = /(?:^|(?<=\}))"?\[DONE\]"?[ \t]*$/im;
const DONE_ONLY = /^\s*"?\[DONE\]"?/i;

/**
 * The JSON values of a text, one behind the other: some servers leave out what separates events. Numbers that are none
 * and raw line breaks in strings are mended; what is still open is not closed.
 * @returns none if the text is no JSON object or list
 * @throws SyntaxError for anything between or behind the values
 */
function valuesIn(text: string): unknown[] {
  const rest = text.trim();
  if (!/^[[{]/.test(rest)) return [];
  try {
    return [JSON.parse(rest)];
  } catch (error) {
    const { end, missing } = scanBrackets(rest, 0);
    const value = missing === '' ? parseTolerantly(rest.slice(0, end)) : undefined;
    if (value === undefined) throw error;
    const behind = rest.slice(end).trim();
    const more = valuesIn(behind);
    if (more.length === 0 && behind !== '' && !/^(data:|event:|\[DONE\])/.test(behind)) throw error;
    return [value, ...more];
  }
}

/** One value, or the chunks of a stream that are written without the form of events. */
function* wholeOf(text: string): Generator<ReplyPart> {
  const values = valuesIn(text);
  if (values.length < 2) yield { kind: 'whole', value: values[0] };
  else for (const value of values) yield { kind: 'event', value, isError: false };
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
