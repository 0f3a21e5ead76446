/**
 * Gives followers the text of running calls: `GET /calls/<id>` is the text as server-sent events, from the positions
 * `text` and `reasoning` on, and `POST /calls/<id>/beat` has the call send a heartbeat. Each needs the proof of that
 * call's token. There is nothing else.
 */
import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import type { Logger } from 'pino';
import { z } from 'zod';
import { type DirectAddress, PROOF_HEADER, proofOf } from '../contracts/direct-text.ts';
import { listenHttp } from '../http-listener.ts';
import { isSameSecret } from '../same-secret.ts';
import type { DirectTextSettings } from './settings.ts';
import { textEvents } from './text-events.ts';
import type { WrittenText } from './written-text.ts';

/** A gateway is one follower, however many follow it. */
const MAX_FOLLOWERS = 100;

const Position = z.coerce.number().int().min(0).default(0);
const Positions = z.object({ text: Position, reasoning: Position });

/** What one attempt of a call lets followers do. */
export interface OpenCall {
  readonly written: WrittenText;
  /** Sends a heartbeat, by which a worker learns that its call was cancelled. */
  readonly beat: () => void;
  /** Told how many follow the call when that changes. */
  readonly onFollowers: (count: number) => void;
}

export interface TextServer {
  /** Lets followers read the call until `close`. */
  open(call: OpenCall): { readonly address: DirectAddress; readonly close: () => void };
  close(): Promise<void>;
}

interface Served extends OpenCall {
  readonly token: string;
  followers: number;
}

/** @returns undefined if it cannot listen: then text goes by heartbeats alone, and the log says why */
export async function startTextServer(
  { listen, url }: DirectTextSettings,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<TextServer | undefined> {
  const calls = new Map<string, Served>();
  let host = '';
  try {
    const listener = await listenHttp(
      createApp(calls, () => host),
      listen,
    );
    const base = url ?? listener.url ?? '';
    ({ host } = new URL(base));
    log.info({ url: base }, 'followers get text directly');
    return {
      open: (call) => openCall(calls, base, call),
      close: () => listener.close(),
    };
  } catch (err) {
    log.warn({ err, ...listen }, 'text cannot be given directly, so followers read it from heartbeats');
    return undefined;
  }
}

function openCall(calls: Map<string, Served>, base: string, call: OpenCall): ReturnType<TextServer['open']> {
  const id = randomUUID();
  // 122 random bits. Node draws those of 128 such ids at once, which is cheaper than random bytes for each call.
  const token = randomUUID();
  calls.set(id, { ...call, token, followers: 0 });
  return {
    address: { url: `${base}/calls/${id}`, token },
    close: () => {
      calls.delete(id);
      call.written.end();
    },
  };
}

function createApp(calls: ReadonlyMap<string, Served>, host: () => string): Hono {
  const app = new Hono();
  app.use(async ({ req }, next) => {
    // Browsers have no business here, under whatever name they were led to this address.
    const isPage = req.header('origin') !== undefined || req.header('sec-fetch-site') !== undefined;
    if (isPage || req.header('host') !== host()) return new Response(null, { status: 403 });
    return await next();
  });
  /** The call whose token the caller knows. */
  const find = (id: string, { req }: Context): Served | undefined => {
    const call = calls.get(id);
    const [, proof] = /^Bearer (\S+)$/.exec(req.header('authorization') ?? '') ?? [];
    return call && isSameSecret(proof, proofOf(call.token, 'follower')) ? call : undefined;
  };
  app.get('/calls/:id', (context) => {
    const id = context.req.param('id');
    const call = context.req.method === 'GET' ? find(id, context) : undefined;
    const from = Positions.safeParse(context.req.query());
    if (call === undefined) return context.body(null, 404);
    if (!from.success) return context.body(null, 400);
    if (call.followers >= MAX_FOLLOWERS) return context.body(null, 503);
    const count = (change: 1 | -1): void => {
      call.followers += change;
      if (calls.has(id)) call.onFollowers(call.followers);
    };
    count(1);
    const body = textEvents(call.written, from.data, () => count(-1));
    return context.body(body, 200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      [PROOF_HEADER]: proofOf(call.token, 'worker'),
    });
  });
  app.post('/calls/:id/beat', (context) => {
    const call = find(context.req.param('id'), context);
    call?.beat();
    return context.body(null, call === undefined ? 404 : 204);
  });
  return app;
}
