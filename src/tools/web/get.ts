/**
 * One GET over HTTP or HTTPS with redirects, within limits of time and bytes. No proxy, no cookies. It uses Node's own
 * client: each request needs a connection of its own to addresses that were checked, and bounded decompression.
 */
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
import type { ToolContext } from '../definition/tool.ts';
import { refusal, shown } from '../refusal.ts';
import type { Scope } from '../workspace/paths.ts';
import { checkedAddresses, checkedUrl, hostOf, pinnedLookup } from './destination.ts';
import type { Internet } from './destination.ts';

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

export interface GetOptions {
  readonly scope: Pick<Scope, 'tool'>;
  readonly rules: NetworkRules;
  readonly internet: Internet;
  /** For all of it: lookups, redirects, the whole body. */
  readonly timeoutMs: number;
  /** Limit of the body, both compressed and decompressed. */
  readonly maxBytes: number;
  /** Value of the `accept` header. */
  readonly accept: string;
  /** Whether a redirect may be followed. Default: yes, within `rules`. */
  readonly mayFollow?: ToolContext['mayFollow'];
  /** Throws for a content type that must not be read. */
  readonly checkType: (contentType: string) => void;
  readonly signal: AbortSignal;
}

export interface Fetched {
  /** URL after the last redirect. */
  readonly url: URL;
  /** As the server gave it; empty if it gave none. */
  readonly contentType: string;
  /** Decompressed. */
  readonly content: Buffer;
}

/**
 * Gets a URL. Every redirect is checked like the first URL.
 * @throws CopilotError `ToolFailed` if the URL is not allowed, or the response is an error, too large or too slow; the
 * signal's reason if it aborts
 */
export async function getUrl(text: string, options: GetOptions): Promise<Fetched> {
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
      const response = await request(url, options, stop.signal);
      const { statusCode = 0, headers } = response;
      if (!REDIRECTS.has(statusCode) || headers.location === undefined) {
        return await read(url, response, options);
      }
      response.destroy();
      const next = checkedUrl(scope, headers.location, { ...options, base: url });
      if (options.mayFollow && !(await options.mayFollow(url, next))) throw notFollowed(scope, url, next);
      url = next;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (stop.signal.aborted) {
      throw refusal(scope, `${shown(url.host)} did not answer in full within ${timeoutMs / 1000} s. Use another URL.`);
    }
    throw error instanceof CopilotError ? error : refusal(scope, describeFailure(url, error), { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // Closes what is still open of the last request.
    stop.abort();
  }
}

function notFollowed(scope: Pick<Scope, 'tool'>, from: URL, to: URL): CopilotError {
  return refusal(
    scope,
    `${shown(from.href)} redirects to ${shown(to.href)}, which was not allowed with it. Call fetch_url with that URL if you need it.`,
  );
}

async function request(
  url: URL,
  { scope, rules, internet, accept }: GetOptions,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const addresses = await unlessAborted(checkedAddresses(scope, hostOf(url), rules, internet), signal);
  const sent = (url.protocol === 'https:' ? requestHttps : requestHttp)({
    host: hostOf(url),
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: {
      host: url.host,
      accept,
      'accept-encoding': 'gzip, deflate, br',
      'user-agent': `durable-copilot/${packageVersion}`,
    },
    // Each request opens a connection of its own, so that none reuses one that was opened under other rules.
    agent: false,
    lookup: pinnedLookup(addresses),
    signal,
  });
  // After the headers, errors come from the response.
  sent.on('error', () => undefined);
  const response = once(sent, 'response');
  sent.end();
  // The event has this one argument.
  const [message] = (await response) as [IncomingMessage];
  return message;
}

/** A name lookup cannot be cancelled, so on abort its result is ignored. */
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
      `${shown(url.href)} has more than ${maxBytes} bytes, which is the limit. Fetch a part of it if the site offers that, or a smaller page.`,
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
  // Both sides of the decoder are limited: compressed content can grow a thousandfold, or shrink to nothing.
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
      throw refusal(
        scope,
        `the content has the encoding ${shown(encoding)}, which fetch_url does not know. Use another URL.`,
      );
  }
}

function advice(status: number): string {
  if (status === 401 || status === 403) return 'The page is not public, or not open to programs. Use another source.';
  if (status === 404 || status === 410) return 'Check the URL, or start from a page above it.';
  if (status === 429 || status >= 500) return 'Try again later, or use another source.';
  return 'Use another URL.';
}

/** Puts an error below HTTP into words for the agent. */
function describeFailure(url: URL, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const detail = code || (error instanceof Error ? error.message : String(error));
  if (code === 'ENOTFOUND') return `there is no host ${shown(hostOf(url))}. Check the name.`;
  if (/CERT|SIGNATURE|SELF_SIGNED|ISSUER/.test(code)) {
    return `the certificate of ${shown(url.host)} is not valid (${code}). Use another source.`;
  }
  if (/^Z_|^ERR__?ERROR_FORMAT|BROTLI/i.test(code)) {
    return `the content of ${shown(url.href)} cannot be decompressed (${code}). Use another URL.`;
  }
  return `${shown(url.host)} cannot be read (${detail}). Check the URL, or try again later.`;
}
