/**
 * HTTP for the operator of a worker, on a Unix socket that only its user can open:
 *
 *     GET  /stats           statistics of its caches
 *     GET  /agents          open entries of its agent cache
 *     POST /agents/close    closes some or all of them, see `CloseRequest`
 *     GET  /metrics, /healthz, /readyz    as at COPILOT_METRICS_PORT
 *
 *     curl --unix-socket .copilot/workers/<pid>-*.sock http://worker/stats
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, lstat, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Logger } from 'pino';
import { z } from 'zod';
import { removeStaleSockets, socketFolder } from '../connection/worker-sockets.ts';
import type { Config } from '../config.ts';
import {
  type CacheEntry,
  type CacheStats,
  type CloseReport,
  CloseRequest,
  type TranscriptStats,
  type WorkerAgents,
  type WorkerClosed,
  type WorkerStats,
} from '../contracts/worker-report.ts';
import { type HttpListener, listenHttp } from '../http-listener.ts';
import { type Operated, operatorApp } from '../operator-port.ts';
import type { CallMetrics } from './call-metrics.ts';
import { writeMetrics } from './metrics.ts';
import { makePrivateFolder } from '../storage/atomic-file.ts';

export interface AdminParts {
  readonly config: Pick<Config, 'homeDir' | 'taskQueue'>;
  readonly identity: string;
  readonly agents: {
    stats(): CacheStats;
    entries(): CacheEntry[];
    closeEntries(request: CloseRequest): Promise<CloseReport>;
  };
  readonly transcripts: { stats(): TranscriptStats };
  readonly calls: CallMetrics;
  /** Gets the metrics. */
  readonly operated: Operated;
  readonly log: Logger;
}

export interface Admin {
  /** Undefined if there is no socket. The log says why, and the worker goes on without it. */
  readonly socket: string | undefined;
  /** Stops listening, cuts off callers and removes the socket. Any number of calls. */
  close(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024;

export async function startAdmin(parts: AdminParts): Promise<Admin> {
  const { config, log, operated, calls } = parts;
  const stats = statsOf(parts);
  operated.metrics = () => writeMetrics(stats(), calls);
  const socket = await listenOnSocket(config.homeDir, createApp(parts, stats)).catch((err: unknown) => {
    log.warn({ err }, 'no admin socket: `copilot agents` and `copilot stats` do not see this worker');
  });
  return {
    socket: socket?.path,
    close: async () => {
      if (socket) rmSync(socket.path, { force: true });
      await socket?.close();
    },
  };
}

function statsOf({ config, identity, agents, transcripts }: AdminParts): () => WorkerStats {
  const startedAt = new Date().toISOString();
  return () => ({
    identity,
    pid: process.pid,
    taskQueue: config.taskQueue,
    startedAt,
    agents: agents.stats(),
    transcripts: transcripts.stats(),
  });
}

function createApp({ identity, agents, operated }: AdminParts, stats: () => WorkerStats): Hono {
  const worker = { identity, pid: process.pid };
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (context) => refuse(context, 413, `the body is over ${MAX_BODY_BYTES} bytes`),
  });
  const app = operatorApp(operated)
    .get('/stats', (context) => context.json(stats()))
    .get('/agents', (context) => context.json({ ...worker, entries: agents.entries() } satisfies WorkerAgents))
    .post('/agents/close', limit, async (context) => {
      const { data, error } = CloseRequest.safeParse(await context.req.json().catch(() => undefined));
      if (!data) return refuse(context, 400, z.prettifyError(error).replaceAll('\n', '; '));
      return context.json({ ...worker, ...(await agents.closeEntries(data)) } satisfies WorkerClosed);
    });
  app.notFound((context) => {
    const paths = app.routes.map(({ method, path }) => `${method} ${path}`);
    return refuse(
      context,
      404,
      `There is no ${context.req.method} ${context.req.path}. There is ${[...new Set(paths)].join(', ')}.`,
    );
  });
  app.onError((error, context) => refuse(context, 500, error.message));
  return app;
}

const refuse = (context: Context, status: 400 | 404 | 413 | 500, message: string): Response =>
  context.json({ error: { message } }, status);

/** The name has the process id, and random digits for several workers of one process or of containers with one home. */
async function listenOnSocket(homeDir: string, app: Hono): Promise<HttpListener & { readonly path: string }> {
  const folder = socketFolder(homeDir);
  await makePrivateFolder(dirname(folder));
  await makePrivateFolder(folder);
  const { uid, mode } = await lstat(folder);
  // In the temporary folder, somebody else may have created this folder.
  if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) {
    throw new Error(`${folder} is open to other users or belongs to one; remove it, or make it yours with mode 0700`);
  }
  await removeStaleSockets(homeDir);
  const name = `${process.pid}-${randomBytes(3).toString('hex')}`;
  const path = join(folder, `${name}.sock`);
  const draft = join(folder, `${name}.new`);
  const listener = await listenHttp(app, { path: draft });
  try {
    // Whoever finds the socket by its name finds it listening, and closed to other users.
    await chmod(draft, 0o600);
    await rename(draft, path);
    return { ...listener, path };
  } catch (error) {
    await listener.close();
    throw error;
  }
}
