/** One GET over HTTP or HTTPS, with redirects, that never takes more time or bytes than it may. No proxy, no cookies. */
import { once } from 'node:events';
import { request as requestHttp, STATUS_CODES } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { PassThrough } from 'node:stream';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { packageVersion } from '../../package-info.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { NetworkRules } from '../../contracts/tool.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';
import { checkedAddresses, checkedUrl, hostOf, lookupOf } from './destination.ts';
import type { Internet } from './destination.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface GetOptions {
  readonly scope: Pick<Scope, 'tool'>;
  readonly rules: NetworkRules;
  readonly internet: Internet;
  /** For everything: names, redirects, the whole body. */
  readonly timeoutMs: number;
  /** Of the body, as it is sent and as it is unpacked. */
  readonly maxBytes: number;
  /** What the caller takes; `*` wildcards as in the header. */
  readonly accept: string;
  /** Refuses, by throwing, a type of content before it is read. */
  readonly checkType: (contentType: string) => void;
  readonly signal: AbortSignal;
}

export interface Fetched {
  /** Where the last redirect led. */
  readonly url: URL;
  /** As the server gave it; empty where it did not. */
  readonly contentType: string;
  /** Unpacked. */
  readonly content: Buffer;
}

/**
 * Gets a URL. Every redirect is checked as the first URL is.
 * @throws CopilotError `ToolFailed` with what the agent can do: the URL is not allowed, the answer is no success, is too
 * large or takes too long; the signal's reason where it aborts
 */
export async function get(text: string, options: GetOptions): Promise<Fetched> {
  const { scope, timeoutMs, signal } = options;
  signal.throwIfAborted();
  let url = checkedUrl(scope, text, options);
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  const timer = setTimeout(abort, timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  try {
    const seen = new Set<string>();
    for (;;) {
      if (seen.has(url.href)) throw refusal(scope, `${shown(url.href)} redirects in a circle. Use another URL.`);
      if (seen.size > MAX_REDIRECTS) {
        throw refusal(scope, `${shown(text)} redirects more than ${MAX_REDIRECTS} times. Use another URL.`);
      }
      seen.add(url.href);
      const response = await answer(url, options, stop.signal);
      const { statusCode = 0, headers } = response;
      if (!REDIRECTS.has(statusCode) || headers.location === undefined) {
        return await read(url, response, options);
      }
      response.destroy();
      url = checkedUrl(scope, headers.location, { ...options, base: url });
    }
  } catch (error) {
    signal.throwIfAborted();
    if (stop.signal.aborted) {
      throw refusal(scope, `${shown(url.host)} did not answer in full within ${timeoutMs / 1000} s. Use another URL.`);
    }
    throw error instanceof CopilotError ? error : refusal(scope, failure(url, error), { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // Whatever is still open of the last request.
    stop.abort();
  }
}

async function answer(
  url: URL,
  { scope, rules, internet, accept }: GetOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const addresses = await unlessAborted(checkedAddresses(scope, hostOf(url), rules, internet), signal);
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)({
    host: hostOf(url),
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      accept,
      'accept-encoding': 'gzip, deflate, br',
      'user-agent': `durable-copilot/${packageVersion}`,
    },
    // A connection of its own, so that no checked request goes over one that was opened under other rules.
    agent: false,
    lookup: lookupOf(addresses),
    signal,
  });
  // After the head of the answer, errors come by the response.
  request.on('error', () => undefined);
  const response = once(request, 'response');
  request.end();
  // The event has exactly this argument.
  const [message] = (await response) as [IncomingMessage];
  return message;
}

/** A look-up cannot be stopped, only left behind. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

async function read(url: URL, response: IncomingMessage, options: GetOptions): Promise<Fetched> {
  const { scope, maxBytes, checkType } = options;
  const { statusCode = 0, headers } = response;
  if (statusCode < 200 || statusCode > 299) {
    const name = `${statusCode} ${STATUS_CODES[statusCode] ?? ''}`.trimEnd();
    throw refusal(scope, `${shown(url.href)} answered ${name}. ${advice(statusCode)}`);
  }
  const contentType = headers['content-type'] ?? '';
  checkType(contentType);
  const tooLarge = (): Error =>
    refusal(
      scope,
      `${shown(url.href)} has more than ${maxBytes} bytes, which is the limit. Ask for a part of it, where the site offers that, or for a smaller page.`,
    );
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const atMost = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge();
      yield chunk;
    }
  };
  const chunks: Buffer[] = [];
  // Both sides of the decoder are bounded: packed content may unpack to far more, and to nothing at all.
  await pipeline(response, atMost, decoder(scope, headers['content-encoding']), atMost, async (source) => {
    for await (const chunk of source) chunks.push(chunk);
  });
  return { url, contentType, content: Buffer.concat(chunks) };
}

function decoder(scope: Pick<Scope, 'tool'>, encoding = 'identity'): Duplex {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return new PassThrough();
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    default:
      throw refusal(scope, `the content is packed as ${shown(encoding)}, which is not known here. Use another URL.`);
  }
}

function advice(status: number): string {
  if (status === 401 || status === 403) return 'It is not open to everybody, or not to programs. Use another source.';
  if (status === 404 || status === 410) return 'Check the URL, or look for it from a page above.';
  if (status === 429 || status >= 500) return 'Try again later, or use another source.';
  return 'Use another URL.';
}

/** What went wrong below HTTP, in words for the agent. */
function failure(url: URL, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const detail = code || (error instanceof Error ? error.message : String(error));
  if (code === 'ENOTFOUND') return `there is no host ${shown(hostOf(url))}. Check the name.`;
  if (/CERT|SIGNATURE|SELF_SIGNED|ISSUER/.test(code)) {
    return `the certificate of ${shown(url.host)} is not valid (${code}). Use another source.`;
  }
  if (/^Z_|^ERR__?ERROR_FORMAT|BROTLI/i.test(code)) {
    return `the content of ${shown(url.href)} is packed in a wrong way (${code}). Use another URL.`;
  }
  return `${shown(url.host)} cannot be read (${detail}). Check the URL, or try again later.`;
}
