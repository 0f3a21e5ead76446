/**
 * What a worker answers to whoever runs it, over HTTP on a Unix socket that only its user can open:
 *
 *     GET  /stats           statistics of its caches
 *     GET  /agents          what its agent cache has open
 *     POST /agents/close    closes some or all of that, see `CloseRequest`
 *     GET  /metrics         the statistics for Prometheus; with a port, on TCP too
 *
 *     curl --unix-socket .copilot/workers/<pid>-*.sock http://worker/stats
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { chmod, lstat, mkdir, rename } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { removeStaleSockets, socketFolder } from '../connection/worker-sockets.ts';
import type { Config } from '../config.ts';
import { CopilotError } from '../contracts/errors.ts';
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
import { METRICS_CONTENT_TYPE, metricsText } from './metrics.ts';

export interface AdminParts {
  readonly config: Pick<Config, 'homeDir' | 'taskQueue' | 'metricsPort'>;
  readonly identity: string;
  readonly agents: {
    stats(): CacheStats;
    entries(): CacheEntry[];
    closeEntries(request: CloseRequest): Promise<CloseReport>;
  };
  readonly transcripts: { stats(): TranscriptStats };
  readonly log: Logger;
}

export interface Admin {
  /** Undefined where the socket could not be made: the log says why, and the worker does without. */
  readonly socket: string | undefined;
  /** Stops listening, cuts off who asks, and removes the socket. May be called twice. */
  close(): Promise<void>;
}

/** An answer: a JSON value, or text of a content type. */
interface Answer {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
}

type Routes = Readonly<Record<string, (request: IncomingMessage) => Answer | Promise<Answer>>>;

const MAX_BODY_BYTES = 64 * 1024;

/** @throws CopilotError `InvalidConfig` where the port for metrics cannot be had */
export async function startAdmin(parts: AdminParts): Promise<Admin> {
  const { config, log } = parts;
  const routes = makeRoutes(parts);
  const metrics = config.metricsPort === undefined ? undefined : await listenOnPort(config.metricsPort, routes);
  const socket = await listenOnSocket(config.homeDir, routes).catch((err: unknown) => {
    log.warn({ err }, 'no admin socket: `copilot agents` and `copilot stats` do not see this worker');
  });
  // A second signal ends the process at once.
  const remove = (): void => socket && rmSync(socket.path, { force: true });
  process.once('exit', remove);
  return {
    socket: socket?.path,
    close: async () => {
      process.off('exit', remove);
      remove();
      for (const server of [metrics, socket?.server]) if (server) await stop(server);
    },
  };
}

function makeRoutes({ config, identity, agents, transcripts }: AdminParts): Routes {
  const worker = { identity, pid: process.pid };
  const startedAt = new Date().toISOString();
  const stats = (): WorkerStats => ({
    ...worker,
    taskQueue: config.taskQueue,
    startedAt,
    agents: agents.stats(),
    transcripts: transcripts.stats(),
  });
  return {
    'GET /stats': () => ({ json: stats() }),
    'GET /agents': () => ({ json: { ...worker, entries: agents.entries() } satisfies WorkerAgents }),
    'POST /agents/close': async (request) => {
      const parsed = CloseRequest.safeParse(await readJson(request));
      if (!parsed.success) return failed(400, z.prettifyError(parsed.error).replaceAll('\n', '; '));
      return { json: { ...worker, ...(await agents.closeEntries(parsed.data)) } satisfies WorkerClosed };
    },
    'GET /metrics': () => ({ text: metricsText(stats()) }),
  };
}

/** Undefined where it is no JSON, or too long. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}

const failed = (status: number, message: string): Answer => ({ status, json: { error: { message } } });

function serve(routes: Routes): Server {
  return createServer((request, response) => {
    answer(routes, request).then(
      (given) => send(response, given),
      (error: unknown) => send(response, failed(500, error instanceof Error ? error.message : String(error))),
    );
  });
}

async function answer(routes: Routes, request: IncomingMessage): Promise<Answer> {
  const name = `${request.method} ${request.url?.split('?')[0]}`;
  const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
  return route ? await route(request) : failed(404, `There is no ${name}. There is ${Object.keys(routes).join(', ')}.`);
}

function send(response: ServerResponse, { status = 200, json, text }: Answer): void {
  const type = text === undefined ? 'application/json' : METRICS_CONTENT_TYPE;
  response.writeHead(status, { 'content-type': type }).end(text ?? `${JSON.stringify(json)}\n`);
}

/** On every address, for Prometheus on another host: what it gives is numbers. */
async function listenOnPort(port: number, routes: Routes): Promise<Server> {
  const { 'GET /metrics': metrics } = routes;
  const server = serve(metrics ? { 'GET /metrics': metrics } : {});
  try {
    await once(server.listen(port), 'listening');
    return server;
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : '';
    throw new CopilotError('InvalidConfig', { name: 'COPILOT_METRICS_PORT', value: port, problem }, { cause });
  }
}

/** Named by process id; the digits behind it are for several workers of one process, or of containers with one home. */
async function listenOnSocket(homeDir: string, routes: Routes): Promise<{ server: Server; path: string }> {
  const folder = socketFolder(homeDir);
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await lstat(folder);
  // The temporary folder is everybody's: somebody else may have made this one.
  if (uid !== process.geteuid?.() || (mode & 0o077) !== 0) {
    throw new Error(`${folder} is open to other users, or belongs to one`);
  }
  await removeStaleSockets(homeDir);
  const name = `${process.pid}-${randomBytes(3).toString('hex')}`;
  const path = join(folder, `${name}.sock`);
  const draft = join(folder, `${name}.new`);
  const server = serve(routes);
  try {
    await once(server.listen(draft), 'listening');
    // Whoever finds it by its name finds it listening, and closed to others.
    await chmod(draft, 0o600);
    await rename(draft, path);
    return { server, path };
  } catch (error) {
    await stop(server);
    throw error;
  }
}

async function stop(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
