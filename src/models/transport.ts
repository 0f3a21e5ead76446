/**
 * `fetch` with connections that this program owns: kept between calls, closed at once by an abort, given up after a
 * time without a byte, and gone after `close`. The global `fetch` shares one pool with everything else in the process.
 */
import { Agent, EnvHttpProxyAgent, fetch as undiciFetch, type RequestInit as UndiciRequestInit } from 'undici';

export interface ProxySettings {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  /** Hosts that are reached without a proxy, separated by commas. */
  readonly noProxy?: string;
}

export interface Transport {
  readonly fetch: typeof fetch;
  /** Closes every connection. Calls under way fail, and so do later ones. */
  close(): void;
}

export interface TransportOptions {
  /** Longest time to connect and then to wait for the first byte, in milliseconds; 0 waits forever. */
  readonly firstByteMs: number;
  /** Longest time between two bytes, in milliseconds; 0 waits forever. */
  readonly betweenBytesMs: number;
  /**
   * Whether connections are kept for the next call. Then a call that the server cuts off before its first byte is sent
   * again, once: servers close idle connections, sometimes at the very moment of the next call. Default true.
   */
  readonly keepAlive?: boolean;
  /** Default: no proxy. */
  readonly proxy?: ProxySettings | undefined;
}

/** How long an idle connection is kept if the server does not say, in milliseconds. */
const KEEP_ALIVE_MS = 60_000;
/** Longest time to open a connection, in milliseconds. */
const CONNECT_MS = 30_000;
/** Error codes of a connection that the other side closed. */
const CLOSED_BY_SERVER = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE']);

export function openTransport({ firstByteMs, betweenBytesMs, keepAlive = true, proxy }: TransportOptions): Transport {
  const options = {
    connect: { timeout: firstByteMs === 0 ? CONNECT_MS : Math.min(CONNECT_MS, firstByteMs) },
    headersTimeout: firstByteMs,
    bodyTimeout: betweenBytesMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // undici's setting for a connection per request.
    ...(keepAlive ? {} : { pipelining: 0 }),
  };
  // An empty text keeps undici from looking into the environment, which is config.ts's to read.
  const agent = proxy
    ? new EnvHttpProxyAgent({ ...options, httpProxy: '', httpsProxy: '', noProxy: '', ...proxy })
    : new Agent(options);
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
      return await send(url, init).catch((error: unknown) => {
        const isCutOff = CLOSED_BY_SERVER.has(errorCode(error) ?? '');
        if (keepAlive && isCutOff && !isClosed && !init.signal?.aborted) return send(url, init);
        // `fetch` says no more than "fetch failed".
        throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
      });
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

/** The text of a body, at most about so many bytes of it. The rest is not read. */
export async function readStart(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}
