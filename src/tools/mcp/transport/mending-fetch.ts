/** `fetch` for the SDK's HTTP transport: answers in the form of the protocol, of limited size, and an event in one piece. */
import type { FetchLike } from '@modelcontextprotocol/sdk/shared/transport.js';
import { parseJson } from '../../../contracts/json.ts';
import { type Line, LineReader } from './line-reader.ts';
import { MAX_MESSAGE_BYTES, mendText, tooLarge } from './mend-message.ts';

/** Status of an answer that has nothing to read. */
const ACCEPTED = 202;
/** What an event of a stream may need beside its message. */
const EVENT_OVERHEAD = 1_024;

export function mendingFetch(inner: FetchLike): FetchLike {
  return async (url, init) => {
    const response = await inner(url, init);
    const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
    const id = typeof init?.body === 'string' ? idOf(init.body) : undefined;
    if (!response.ok || response.status === ACCEPTED || !response.body) return response;
    if (type === 'text/event-stream') return replaced(response, response.body.pipeThrough(mendedEvents(id)));
    return id === undefined ? response : await mendedResponse(response, response.body, id);
  };
}

/** The id of the request, whose answer comes in this response. */
function idOf(body: string): number | string | undefined {
  const message = parseJson(body);
  if (typeof message !== 'object' || message === null || !('id' in message) || !('method' in message)) return undefined;
  return typeof message.id === 'number' || typeof message.id === 'string' ? message.id : undefined;
}

function replaced({ status, statusText, headers }: Response, body: string | ReadableStream<Uint8Array>): Response {
  const kept = new Headers(headers);
  // The length and the compression were those of the body before.
  for (const name of ['content-length', 'content-encoding']) kept.delete(name);
  return new Response(body, { status, statusText, headers: kept });
}

/** JSON is an answer, whatever its type is said to be. */
async function mendedResponse(
  response: Response,
  body: ReadableStream<Uint8Array>,
  id: number | string,
): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let answer: string | undefined;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > MAX_MESSAGE_BYTES) answer = JSON.stringify(tooLarge(id, bytes));
    if (answer !== undefined) break;
    chunks.push(chunk);
  }
  answer ??= mendText(Buffer.concat(chunks).toString('utf8'));
  const whole = replaced(response, answer);
  if (/^\s*[[{]/.test(answer)) whole.headers.set('content-type', 'application/json');
  return whole;
}

/** Mends the messages of an event stream line by line. The SDK's parser takes quadratic time for a line in many pieces. */
function mendedEvents(id: number | string | undefined): TransformStream<Uint8Array, Uint8Array> {
  const lines = new LineReader(MAX_MESSAGE_BYTES + EVENT_OVERHEAD);
  const mended = (line: Line): Buffer => {
    if (!('text' in line)) {
      // Nobody waits for a message that is no answer.
      return Buffer.from(id === undefined ? ': too large\n' : `data: ${JSON.stringify(tooLarge(id, line.bytes))}\n`);
    }
    const data = /^data: ?(?=[[{])/.exec(line.text);
    return Buffer.from(`${data ? `data: ${mendText(line.text.slice(data[0].length))}` : line.text}\n`);
  };
  return new TransformStream({
    transform(chunk, controller) {
      for (const line of lines.read(Buffer.from(chunk))) controller.enqueue(mended(line));
    },
    flush(controller) {
      for (const line of lines.end()) controller.enqueue(mended(line));
      // An event ends with an empty line, which not every server writes before it closes.
      controller.enqueue(Buffer.from('\n'));
    },
  });
}
