/**
 * Encodes and decodes payloads for Temporal's Web UI and `temporal` command, which have no keys: `POST /decode` and
 * `/encode`. https://docs.temporal.io/production-deployment/data-encryption
 */
import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { cors } from 'hono/cors';
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import { listenHttp } from '../http-listener.ts';
import { isSameSecret } from '../same-secret.ts';
import { createDataConverter, type StorageConfig } from './data-converter.ts';
import { retrievePayloads } from './sdk-internals.ts';

export interface CodecServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: a free port. */
  readonly port?: number;
  /** Web pages that may use the server, such as `http://localhost:8233`. It answers no other page. */
  readonly origins: readonly string[];
  /** Callers must send it as `Authorization: Bearer <token>`. Default: none. */
  readonly token?: string | undefined;
}

export interface CodecServer {
  /** Such as `http://127.0.0.1:8234`. */
  readonly url: string;
  /** Lets one more web page use the server. */
  allow(origin: string): void;
  close(): Promise<void>;
}

/** The Temporal server's answers have at most 4 MiB, and base64 adds a third; a page of histories may hold several. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
const PREFLIGHT_SECONDS = 600;
const DEFAULT_HOST = '127.0.0.1';

const PayloadMessage = proto.temporal.api.common.v1.Payload;

const Base64 = z.string().nullish();
const Body = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), z.string()).nullish(), data: Base64 })).default([]),
});

/** @throws CopilotError `InvalidInput` if the port is in use */
export async function startCodecServer(config: StorageConfig, options: CodecServerOptions): Promise<CodecServer> {
  const { host = DEFAULT_HOST, port = 0, token } = options;
  const origins = new Set(options.origins.map(originOf));
  const app = createApp(converters(config), origins, token);
  const { url = '', close } = await listenHttp(app, { host, port }).catch((cause: unknown) => {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CopilotError('InvalidInput', { what: `${host}:${port}`, problem }, { cause });
  });
  return { url, close, allow: (origin) => void origins.add(originOf(origin)) };
}

const originOf = (url: string): string => new URL(url).origin;

type Convert = (payloads: Payload[]) => Promise<Payload[]>;

function converters(config: StorageConfig): Readonly<Record<'/encode' | '/decode', Convert>> {
  const { payloadCodecs = [], externalStorage } = createDataConverter(config);
  const [codec] = payloadCodecs;
  return {
    '/encode': async (payloads) => (codec ? await codec.encode(payloads) : payloads),
    '/decode': async (payloads) => {
      const stored = await retrievePayloads(externalStorage, payloads);
      return codec ? await codec.decode(stored) : stored;
    },
  };
}

function createApp(
  convert: Readonly<Record<string, Convert>>,
  origins: ReadonlySet<string>,
  token: string | undefined,
): Hono {
  const app = new Hono({ strict: false });
  const refuse = (context: Context, status: 400 | 401 | 403 | 404 | 413, message: string): Response =>
    context.json({ message }, status);
  app.use(async (context, next) => {
    const origin = context.req.header('origin');
    if (origin === undefined || origins.has(origin)) return await next();
    return refuse(context, 403, `the page ${origin} may not use this codec server; allow it with --origin`);
  });
  app.use(
    cors({
      origin: (origin) => (origins.has(origin) ? origin : null),
      allowMethods: ['POST', 'OPTIONS'],
      allowHeaders: ['authorization', 'content-type', 'x-namespace'],
      credentials: true,
      maxAge: PREFLIGHT_SECONDS,
    }),
  );
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) => refuse(context, 413, `the body is over ${MAX_BODY_BYTES} bytes`),
  });
  for (const [path, work] of Object.entries(convert)) {
    app.post(path, limit, async (context) => {
      // Hono's own check refuses tokens with blanks.
      if (token !== undefined && !isSameSecret(context.req.header('authorization'), `Bearer ${token}`))
        return refuse(context, 401, 'the token is missing or wrong');
      const payloads = payloadsIn(await context.req.json().catch(() => undefined));
      if (payloads === undefined)
        return refuse(context, 400, 'the body is not {"payloads": […]} with metadata and data in base64');
      return context.json({ payloads: (await work(payloads)).map(toJson) });
    });
  }
  app.notFound((context) => refuse(context, 404, 'use POST /encode or POST /decode'));
  app.onError((error, context) => context.text(error.message, statusOf(error)));
  return app;
}

/** Undefined if the body is something else. */
function payloadsIn(body: unknown): Payload[] | undefined {
  const { data } = Body.safeParse(body);
  try {
    return data?.payloads.map((payload) =>
      PayloadMessage.fromObject({ metadata: payload.metadata ?? {}, data: payload.data ?? '' }),
    );
  } catch {
    return undefined;
  }
}

function toJson(payload: Payload): object {
  return PayloadMessage.toObject(PayloadMessage.create(payload), { bytes: String });
}

/** 422: a key or a store is missing here. 503: the store does not answer now. */
function statusOf(error: unknown): 422 | 500 | 503 {
  if (!(error instanceof CopilotError)) return 500;
  return error.retryable ? 503 : 422;
}
