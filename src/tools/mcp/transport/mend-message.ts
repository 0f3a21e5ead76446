/**
 * Servers write messages that the SDK refuses: `null` for what is absent, results that are no objects, errors without a
 * code. To the SDK such an answer never came, so its call would wait until its time is up. We mend the form and leave
 * the content alone.
 */
import { parseExact } from '../../exact-json.ts';

/** Longest message of a server, in bytes. */
export const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** https://www.jsonrpc.org/specification#error_object */
const SERVER_ERROR = -32_000;

type Fields = Readonly<Record<string, unknown>>;

/** The messages in a text: one, or a batch of them. Whole numbers that would be rounded become texts. @throws SyntaxError */
export function parseMessages(text: string): unknown[] {
  return [parseExact(text, (digits) => digits)].flat().map(mendMessage);
}

/** The same as text. What is no JSON, or is nested too deeply to be written again, comes back as it is. */
export function mendText(text: string): string {
  try {
    const messages = parseMessages(text);
    return JSON.stringify(text.trimStart().startsWith('[') ? messages : messages[0]);
  } catch {
    return text;
  }
}

/** The message in the form of the protocol. What is no message comes back as it is. */
function mendMessage(given: unknown): unknown {
  if (!isFields(given)) return given;
  const { jsonrpc: _, id, method, params, result, error } = given;
  const head = { jsonrpc: '2.0', ...(id === undefined || id === null ? {} : { id }) };
  if (typeof method === 'string')
    return { ...head, method, ...(isFields(params) ? { params: mendParams(params) } : {}) };
  if (error !== undefined && error !== null) return { ...head, error: mendError(error) };
  return 'result' in given ? { ...head, result: mendResult(result) } : given;
}

/** An answer in the place of one that is too large. @param id of the request, if it is known */
export function tooLarge(id: unknown, bytes: number): object {
  const [size, limit] = [bytes, MAX_MESSAGE_BYTES].map((count) => Math.ceil(count / 1024 / 1024));
  const message = `its answer has ${size} MiB, and the limit is ${limit} MiB. The call was made, and its answer is lost; ask for less at once`;
  return { jsonrpc: '2.0', id, error: { code: SERVER_ERROR, message } };
}

/** The id of an answer, found in its two ends; some servers write it first, some last. */
export function findId(head: string, tail: string): number | undefined {
  const found =
    /^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*"?(\d+)/.exec(head) ??
    /"id"\s*:\s*"?(\d+)"?\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$/.exec(tail);
  return found ? Number(found[1]) : undefined;
}

function mendError(error: unknown): object {
  if (!isFields(error))
    return { code: SERVER_ERROR, message: typeof error === 'string' ? error : JSON.stringify(error) };
  const { code, message, data } = error;
  return {
    code: Number.isSafeInteger(code) ? code : SERVER_ERROR,
    message: typeof message === 'string' ? message : JSON.stringify(error),
    ...(data === undefined || data === null ? {} : { data }),
  };
}

/** A result is an object. Any other JSON becomes the content of one, under the name that the first version had for it. */
function mendResult(result: unknown): object {
  if (!isFields(result)) return result === null || result === undefined ? {} : { toolResult: result };
  const { _meta: _, ...fields } = result;
  return typeof fields['protocolVersion'] === 'string' && !('tools' in fields) ? mendGreeting(fields) : fields;
}

/** The answer to `initialize`: we need nothing of it but the version, and what the server can do. */
function mendGreeting(greeting: Fields): Fields {
  const { serverInfo, capabilities, instructions: _, ...rest } = greeting;
  const { name, version } = isFields(serverInfo) ? serverInfo : {};
  const can = Object.entries(isFields(capabilities) ? capabilities : {}).filter(([, value]) => Boolean(value));
  return {
    ...rest,
    serverInfo: {
      name: typeof name === 'string' ? name : 'unknown',
      version: typeof version === 'string' ? version : 'unknown',
    },
    capabilities: Object.fromEntries(can.map(([capability]) => [capability, {}])),
  };
}

/** `null` means absent, and metadata is an object. */
function mendParams(params: Fields): Fields {
  const present = Object.entries(params).filter(
    ([name, value]) => value !== null && (name !== '_meta' || isFields(value)),
  );
  return Object.fromEntries(present);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
