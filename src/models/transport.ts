/**
 * `fetch` over `node:http` with connections that this program owns: kept alive between calls, closed by
 * an abort at once, given up after a time without a byte, and gone after `close`. The global `fetch` shares its pool with
 * everything else in the process and drops idle connections after 4 s.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export interface Transport {
  readonly fetch: typeof fetch;
  /** Closes every connection; calls under way fail, as do later ones. */
  close(): void;
}

/** Largest error body that is read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;

/** Statuses whose answer has no body, and a `Response` takes none for them. */
const WITHOUT_BODY = [204, 205, 304];

/**
 * @param timeoutMs longest time without a byte in either direction, connecting included; 0 for no end
 * @param keepAlive whether connections are kept for the next call; a call on one that the server has just closed is
 * sent again. Default true
 */
export function openTransport(timeoutMs: number, { keepAlive = true }: { keepAlive?: boolean } = {}): Transport {
  const options = { keepAlive, scheduling: 'lifo' } as const;
  const agents = { http: new HttpAgent(options), https: new HttpsAgent(options) };
  let isClosed = false;
  return {
    fetch: async (input, init = {}) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const message = await send(url, init, { ...agents, isClosed: () => isClosed }, timeoutMs);
      return toResponse(message);
    },
    close() {
      isClosed = true;
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
  /** A destroyed agent would open new connections all the same, for nobody to close. */
  readonly isClosed: () => boolean;
}

function send(url: URL, init: RequestInit, agents: Agents, timeoutMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (agents.isClosed()) throw new Error('its connections are closed');
    const options = {
      method: init.method ?? 'GET',
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(init.signal ? { signal: init.signal } : {}),
    };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, agent: agents.https })
        : httpRequest(url, { ...options, agent: agents.http });
    let response: IncomingMessage | undefined;
    request.setTimeout(timeoutMs, () => {
      // Once there is a response, only an error given to it reaches its reader.
      (response ?? request).destroy(new Error(`no byte from ${url.host} in ${timeoutMs} ms`));
    });
    request.once('response', (message) => {
      response = message;
      resolve(message);
    });
    // Stays on to the end: an unheard error would end the process.
    request.on('error', (error: NodeJS.ErrnoException) => {
      // The server closed a kept connection just as it was used again: nothing has been read, so a new one is safe.
      const stale = !response && request.reusedSocket && error.code === 'ECONNRESET' && !init.signal?.aborted;
      if (stale) send(url, init, agents, timeoutMs).then(resolve, reject);
      else reject(error);
    });
    request.end(typeof init.body === 'string' ? init.body : undefined);
  });
}

async function toResponse(message: IncomingMessage): Promise<Response> {
  const status = message.statusCode ?? 502;
  const headers = new Headers();
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  if (WITHOUT_BODY.includes(status)) {
    message.resume();
    return new Response(null, { status, headers });
  }
  if (status >= 200 && status <= 299) return new Response(message, { status, headers });
  headers.delete('content-length');
  return new Response(await errorText(message), { status: status < 200 ? 502 : status, headers });
}

/** The body of an error in OpenAI's shape: other servers put `message` or `detail` at the top, where the SDK overlooks it. */
async function errorText(message: IncomingMessage): Promise<string> {
  const text = await readText(message);
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body !== 'object' || body === null) return text;
    if ('error' in body && typeof body.error === 'object') return text;
    if ('error' in body) return JSON.stringify({ error: { message: body.error } });
    if ('detail' in body) return JSON.stringify({ error: { message: JSON.stringify(body.detail) } });
    return JSON.stringify({ error: body });
  } catch {
    return text;
  }
}

async function readText(message: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
