/**
 * A payload store in an S3 bucket: five requests of its API, signed as AWS wants it (Signature Version 4).
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ObjectStore, StoreUnavailable } from './object-store.ts';

export interface S3Address {
  readonly bucket: string;
  readonly region: string;
  /** Of a server that is not AWS, such as `http://localhost:9000`; buckets are paths below it. Default: AWS. */
  readonly endpoint?: string;
  readonly credentials: S3Credentials;
}

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string;
}

const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 200;
const REQUEST_TIMEOUT_MS = 30_000;
const DELETES_AT_ONCE = 8;

interface Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE';
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** Nothing is asked of the bucket before it is used. */
export function openS3Store(address: S3Address): ObjectStore {
  const place = `s3://${address.bucket}`;
  const send = (request: Request): Promise<Response> => sendPatiently(address, place, request);
  return {
    place,
    has: async (key, signal) => (await send({ method: 'HEAD', key, signal })).status !== NOT_FOUND,
    put: async (key, body, signal) => void (await send({ method: 'PUT', key, body, signal })),
    get: async (key, signal) => {
      const response = await send({ method: 'GET', key, signal });
      return response.status === NOT_FOUND ? undefined : await bodyOf(response, place);
    },
    removeAll: async (prefix, signal) => {
      for (;;) {
        const query = { 'list-type': '2', prefix, 'max-keys': '1000' };
        const keys = keysIn(Buffer.from(await bodyOf(await send({ method: 'GET', query, signal }), place)).toString());
        if (keys.length === 0) return;
        for (let start = 0; start < keys.length; start += DELETES_AT_ONCE) {
          const batch = keys.slice(start, start + DELETES_AT_ONCE);
          await Promise.all(batch.map((key) => send({ method: 'DELETE', key, signal })));
        }
      }
    },
  };
}

const NOT_FOUND = 404;
const TOO_MANY_REQUESTS = 429;

/** @returns an answer of 2xx, or 404 for a key; whatever else there is fails with StoreUnavailable */
async function sendPatiently(address: S3Address, place: string, request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await sendOnce(address, request);
    if (outcome instanceof Response && (outcome.ok || isMissingKey(outcome, request))) return outcome;
    request.signal?.throwIfAborted();
    if (attempt === ATTEMPTS || !isTransient(outcome)) throw await unavailable(place, request, outcome);
    await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
  }
}

async function sendOnce(address: S3Address, request: Request): Promise<Response | Error> {
  const { method, body, signal } = request;
  const url = urlOf(address, request);
  const timeLimit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  try {
    return await fetch(url, {
      method,
      headers: sign(address, request, url, new Date()),
      signal: signal ? AbortSignal.any([signal, timeLimit]) : timeLimit,
      redirect: 'manual',
      ...(body === undefined ? {} : { body }),
    });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

/** Also that of a HEAD request, which has no body to tell a missing bucket from a missing key. */
function isMissingKey({ status }: Response, { key, method }: Request): boolean {
  return status === NOT_FOUND && key !== undefined && method !== 'PUT';
}

function isTransient(outcome: Response | Error): boolean {
  return outcome instanceof Error || outcome.status >= 500 || outcome.status === TOO_MANY_REQUESTS;
}

async function unavailable(place: string, { method }: Request, outcome: Response | Error): Promise<StoreUnavailable> {
  if (outcome instanceof Error) {
    const cause = outcome.cause instanceof Error ? outcome.cause : outcome;
    const problem = cause.message || ('code' in cause ? String(cause.code) : cause.name);
    return new StoreUnavailable(place, `${method}: ${problem}`, outcome);
  }
  const text = await outcome.text().catch(() => '');
  const [code, message] = ['Code', 'Message'].map((tag) => new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(text)?.[1]);
  const words = [code, message].filter((word) => word !== undefined).join(': ');
  return new StoreUnavailable(place, `${method}: status ${outcome.status}${words === '' ? '' : `, ${words}`}`);
}

async function bodyOf(response: Response, place: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new StoreUnavailable(place, 'the answer broke off', cause);
  }
}

/** Keys in an answer of ListObjectsV2. */
function keysIn(xml: string): string[] {
  return [...xml.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) =>
    key.replaceAll(
      /&(?:(lt|gt|quot|apos|amp)|#(\d+)|#x([\da-f]+));/gi,
      (_, name?: string, decimal?: string, hex = '0') =>
        name === undefined
          ? String.fromCodePoint(decimal ? Number(decimal) : parseInt(hex, 16))
          : (ENTITIES[name] ?? ''),
    ),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function urlOf({ bucket, region, endpoint }: S3Address, { key = '', query = {} }: Request): URL {
  // A certificate of AWS covers one label before its domain.
  const isHost = endpoint === undefined && !bucket.includes('.');
  const base = endpoint ?? `https://${isHost ? `${bucket}.` : ''}s3.${region}.amazonaws.com`;
  const path = [...(isHost ? [] : [bucket]), ...key.split('/')].map(percentEncoded).join('/');
  const search = Object.entries(query)
    .map(([name, value]) => `${percentEncoded(name)}=${percentEncoded(value)}`)
    .sort()
    .join('&');
  return new URL(`${base}/${path}${search === '' ? '' : `?${search}`}`);
}

/** As the signature wants it: all but unreserved characters. */
function percentEncoded(text: string): string {
  const code = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, code);
}

function sign(
  { region, credentials }: S3Address,
  { method, body = new Uint8Array() }: Request,
  url: URL,
  now: Date,
): Record<string, string> {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const digest = sha256(body);
  const signed: Record<string, string> = {
    host: url.host,
    'x-amz-content-sha256': digest,
    'x-amz-date': time,
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(signed).sort();
  const canonical = [
    method,
    url.pathname,
    url.search.slice(1),
    ...names.map((name) => `${name}:${signed[name]}`),
    '',
    names.join(';'),
    digest,
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((above, part) => hmac(above, part), `AWS4${secretAccessKey}`);
  const signature = hmac(key, toSign).toString('hex');
  const { host: _, ...headers } = signed;
  return {
    ...headers,
    authorization:
      `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, ` +
      `SignedHeaders=${names.join(';')}, Signature=${signature}`,
  };
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
