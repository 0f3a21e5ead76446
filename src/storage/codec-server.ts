/**
 * Reads and writes payloads for Temporal's Web UI and `temporal` command, which have no keys: `POST /decode`, `/encode`.
 * https://docs.temporal.io/production-deployment/data-encryption
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Payload } from '@temporalio/common';
import { decode, encode, ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { JSONToPayload, payloadToJSON } from '@temporalio/common/lib/proto-utils.js';
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import { createDataConverter, type StorageConfig } from './data-converter.ts';

export interface CodecServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default a free one. */
  readonly port?: number;
  /** Web pages that may use it, such as `http://localhost:8233`: no other page gets an answer. */
  readonly origins: readonly string[];
  /** What callers have to show as `Authorization: Bearer <token>`. Default: nothing. */
  readonly token?: string | undefined;
}

export interface CodecServer {
  /** Such as `http://127.0.0.1:8234`. */
  readonly url: string;
  /** Lets one more web page use it. */
  allow(origin: string): void;
  close(): Promise<void>;
}

/** The server's own limit of an answer is 4 MiB, and base64 makes more of it; a page of histories may hold several. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const PREFLIGHT_SECONDS = 600;
const DEFAULT_HOST = '127.0.0.1';

const Base64 = z.string().nullish();
const Body = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), z.string()).nullish(), data: Base64 })).default([]),
});

/** @throws CopilotError `InvalidInput` where the port is in use */
export async function startCodecServer(config: StorageConfig, options: CodecServerOptions): Promise<CodecServer> {
  const { host = DEFAULT_HOST, port = 0, token } = options;
  const origins = new Set(options.origins.map(originOf));
  const convert = converters(config);
  const server = createServer((request, response) => void handle(request, response, { origins, token, convert }));
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CopilotError('InvalidInput', { what: `${host}:${port}`, problem }, { cause });
  }
  const { address, family, port: taken } = server.address() as AddressInfo; // it listens on a port
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`,
    allow: (origin) => void origins.add(originOf(origin)),
    close: async () => {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
  };
}

const originOf = (url: string): string => new URL(url).origin;

type Convert = (payloads: Payload[]) => Promise<Payload[]>;

function converters(config: StorageConfig): Readonly<Record<string, Convert>> {
  const { payloadCodecs = [], externalStorage } = createDataConverter(config);
  const store = externalStorage && new ExternalStorageRunner(externalStorage);
  return {
    '/encode': (payloads) => encode(payloadCodecs, payloads),
    // What lies in the payload store is a reference here.
    '/decode': async (payloads) => await decode(payloadCodecs, store ? await store.retrieve(payloads) : payloads),
  };
}

interface Access {
  readonly origins: ReadonlySet<string>;
  readonly token: string | undefined;
  readonly convert: Readonly<Record<string, Convert>>;
}

async function handle(request: IncomingMessage, response: ServerResponse, access: Access): Promise<void> {
  try {
    const { status, body } = await answer(request, response, access);
    response.writeHead(status, body === undefined ? {} : { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  } catch (error) {
    if (response.headersSent) response.destroy();
    else response.writeHead(statusOf(error), { 'content-type': 'text/plain; charset=utf-8' }).end(String(error));
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { origins, token, convert }: Access,
): Promise<{ status: number; body?: object }> {
  const { origin, authorization } = request.headers;
  if (origin !== undefined) {
    if (!origins.has(origin)) return refusal(403, `the page ${origin} may not use this codec server; see --origin`);
    allowPage(response, origin);
  }
  if (request.method === 'OPTIONS') return { status: 204 };
  const path = (request.url ?? '').replace(/\?.*$/s, '').replace(/\/$/, '');
  const work = request.method === 'POST' && Object.hasOwn(convert, path) ? convert[path] : undefined;
  if (work === undefined) return refusal(404, 'use POST /encode or POST /decode');
  if (token !== undefined && !isSame(authorization, `Bearer ${token}`))
    return refusal(401, 'the token is missing or wrong');
  const parsed = Body.safeParse(await readJson(request));
  if (!parsed.success) return refusal(400, 'the body is not {"payloads": […]} with metadata and data in base64');
  const payloads = await work(payloadsOf(parsed.data));
  return { status: 200, body: { payloads: payloads.map(payloadToJSON) } };
}

/** @throws BodyError where it is no base64 */
function payloadsOf({ payloads }: z.infer<typeof Body>): Payload[] {
  try {
    return payloads.map(({ metadata, data }) => JSONToPayload({ metadata: metadata ?? {}, data: data ?? '' }));
  } catch {
    throw new BodyError(400, 'metadata and data of each payload have to be base64');
  }
}

const refusal = (status: number, message: string) => ({ status, body: { message } });

/** https://developer.mozilla.org/en-US/docs/Web/HTTP/CORS */
function allowPage(response: ServerResponse, origin: string): void {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-allow-methods', 'POST, OPTIONS');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, x-namespace');
  response.setHeader('access-control-allow-credentials', 'true');
  response.setHeader('access-control-max-age', String(PREFLIGHT_SECONDS));
  response.setHeader('vary', 'origin');
}

/** Takes as long for any two texts. */
function isSame(given: string | undefined, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given ?? ''), digest(wanted));
}

class BodyError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BodyError(413, `the body is over ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new BodyError(400, 'the body is not JSON');
  }
}

function statusOf(error: unknown): number {
  if (error instanceof BodyError) return error.status;
  if (!(error instanceof CopilotError)) return 500;
  // A key or a store is missing here, or the store is away for now.
  return error.retryable ? 503 : 422;
}
