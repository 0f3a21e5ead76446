/**
 * `fetch` with connections that this program owns: kept between calls, closed at once by an abort, given up after a
 * time without a byte, and gone after `close`. The global `fetch` shares one pool with everything else in the process.
 */
import { Agent, fetch as undiciFetch, type RequestInit as UndiciRequestInit } from 'undici';

export interface Transport {
  readonly fetch: typeof fetch;
  /** Closes every connection. Calls under way fail, and so do later ones. */
  close(): void;
}

export interface TransportOptions {
  /**
   * Whether connections are kept for the next call. Then a call that the server cuts off before its first byte is sent
   * again, once: servers close idle connections, sometimes at the very moment of the next call. Default true.
   */
  readonly keepAlive?: boolean;
}

/** Largest error body that is read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** How long an idle connection is kept if the server does not say, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;
/** Error codes of a connection that the other side closed. */
const CLOSED_BY_SERVER = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

/** @param timeoutMs longest time to connect, and then without a byte, in milliseconds; 0 waits forever */
export function openTransport(timeoutMs: number, { keepAlive = true }: TransportOptions = {}): Transport {
  const agent = new Agent({
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // undici's setting for a connection per request.
    ...(keepAlive ? {} : { pipelining: 0 }),
  });
  let isClosed = false;

  const send = async (input: string | URL, init: RequestInit): Promise<Response> => {
    if (isClosed) throw new Error('its connections are closed');
    // undici has types of its own for the same standard.
    const options = { ...init, dispatcher: agent } as unknown as UndiciRequestInit;
    return await undiciFetch(input, options);
  };

  return {
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : input;
      const response = await send(url, init).catch((error: unknown) => {
        const isCutOff = CLOSED_BY_SERVER.has(errorCode(error) ?? '');
        if (keepAlive && isCutOff && !isClosed && !init.signal?.aborted) return send(url, init);
        // `fetch` says no more than "fetch failed".
        throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
      });
      return response.ok ? response : await readableError(response);
    },
    close() {
      isClosed = true;
      void agent.destroy();
    },
  };
}

/** The code of the innermost cause that has one. */
export function errorCode(error: unknown): string | undefined {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if ('code' in inner && typeof inner.code === 'string') return inner.code;
  }
  return undefined;
}

/** The SDK shows `error.message` only. Other servers put `message` or `detail` at the top. */
async function readableError(response: Response): Promise<Response> {
  const headers = new Headers([...response.headers]);
  headers.delete('content-length');
  headers.delete('content-encoding');
  return new Response(toOpenAiError(await readStart(response)), { status: response.status, headers });
}

function toOpenAiError(text: string): string {
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

async function readStart(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
