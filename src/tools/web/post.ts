/**
 * One POST over HTTP or HTTPS, for webhooks. It follows no redirects, sends nothing that it was not given, and connects only
 * to addresses that were checked, so that DNS rebinding does not work. No proxy.
 */
import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { hostOf, type Internet, pinnedLookup } from './destination.ts';

export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly internet: Internet;
  /** Whether addresses that are not public, and plain HTTP, are allowed. */
  readonly mayBePrivate: boolean;
  /** From the name lookup to the status of the answer. */
  readonly timeoutMs: number;
}

/** The destination is refused before anything is sent. */
export class RefusedDestination extends Error {}

/**
 * Whether a URL may be posted to, as far as that can be told now: names may have other addresses later.
 * @returns the addresses of its host
 * @throws RefusedDestination, which says why; Error of the name lookup
 */
export async function checkDestination(
  url: URL,
  { internet, mayBePrivate }: Pick<PostOptions, 'internet' | 'mayBePrivate'>,
): Promise<Awaited<ReturnType<Internet['resolve']>>> {
  const host = hostOf(url);
  const hint = 'use a public HTTPS address, or set COPILOT_WEBHOOK_PRIVATE=1 on the workers';
  if (!mayBePrivate && url.protocol !== 'https:') {
    throw new RefusedDestination(`${url.protocol.slice(0, -1)} is not encrypted; ${hint}`);
  }
  const addresses = isIP(host) === 0 ? await internet.resolve(host) : [{ address: host, family: isIP(host) }];
  // A name with public and private addresses is an attack.
  const forbidden = addresses.find(({ address }) => !mayBePrivate && !internet.isPublic(address));
  if (forbidden) throw new RefusedDestination(`${host} is not a public address (${forbidden.address}); ${hint}`);
  return addresses;
}

/**
 * Posts the body, and does not read the answer.
 * @returns the status, and the seconds or time of its `retry-after`
 * @throws RefusedDestination; Error if nothing answers in time
 */
export async function postTo(
  url: URL,
  options: PostOptions,
): Promise<{ readonly status: number; readonly retryAfter: string | undefined }> {
  const { headers, body, timeoutMs } = options;
  const stop = AbortSignal.timeout(timeoutMs);
  const addresses = await unlessAborted(checkDestination(url, options), stop);
  const sent = (url.protocol === 'https:' ? requestHttps : requestHttp)({
    method: 'POST',
    host: hostOf(url),
    port: url.port,
    path: `${url.pathname}${url.search}`,
    headers: { ...headers, host: url.host, 'content-length': Buffer.byteLength(body) },
    // A connection of its own, so that none is reused that was opened under other rules.
    agent: false,
    lookup: pinnedLookup(addresses),
    signal: stop,
  });
  // After the headers, errors come from the response.
  sent.on('error', () => undefined);
  const response = once(sent, 'response');
  sent.end(body);
  try {
    // The event has this one argument.
    const [message] = (await response) as [IncomingMessage];
    message.on('error', () => undefined);
    message.destroy();
    return { status: message.statusCode ?? 0, retryAfter: message.headers['retry-after'] };
  } catch (error) {
    throw stop.aborted ? new Error(`no answer within ${timeoutMs / 1_000} s`, { cause: error }) : error;
  }
}

/** A name lookup cannot be cancelled, so on abort its result is ignored. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('its name was not looked up in time')), { once: true });
    work.then(resolve, reject);
  });
}
