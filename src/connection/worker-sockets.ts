/**
 * Asks the workers on this machine that share a home folder about their agents. Each worker listens on a socket in one
 * folder, so no Temporal server is needed.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { type CloseRequest, WorkerAgents, WorkerClosed, WorkerStats } from '../contracts/worker-report.ts';

/** The answers of all workers. */
export interface WorkerAnswers<T> {
  readonly workers: readonly T[];
  /** Workers that did not answer, or whose answer has an unknown form. */
  readonly silent: readonly { readonly socket: string; readonly problem: string }[];
}

/** The path of a socket may have 104 bytes on macOS and the BSDs, 108 on Linux, including the final NUL. */
const MAX_SOCKET_PATH_BYTES = 103;
/** The longest name of a socket: process id, hyphen, six digits. */
const LONGEST_NAME = '4294967295-ffffff.sock';
/** Workers answer immediately unless something blocks them. */
const ANSWER_MS = 5_000;
/** More than the time that a worker gives its teams to close. */
const CLOSE_MS = 15_000;

/** Folder of the sockets: `<home>/workers`, or a temporary folder if that path is too long for a socket. */
export function socketFolder(homeDir: string): string {
  const folder = join(homeDir, 'workers');
  if (Buffer.byteLength(join(folder, LONGEST_NAME)) <= MAX_SOCKET_PATH_BYTES) return folder;
  return join(tmpdir(), `copilot-${createHash('sha256').update(homeDir).digest('hex').slice(0, 16)}`);
}

export async function readStats(homeDir: string): Promise<WorkerAnswers<WorkerStats>> {
  return await askAll(homeDir, WorkerStats, { method: 'GET', path: '/stats' });
}

export async function readAgents(homeDir: string): Promise<WorkerAnswers<WorkerAgents>> {
  return await askAll(homeDir, WorkerAgents, { method: 'GET', path: '/agents' });
}

/** Lets every worker close the selected agents. */
export async function closeAgents(homeDir: string, request: CloseRequest): Promise<WorkerAnswers<WorkerClosed>> {
  const body = JSON.stringify(request);
  return await askAll(homeDir, WorkerClosed, { method: 'POST', path: '/agents/close', body, timeoutMs: CLOSE_MS });
}

/** Removes sockets that killed workers left behind. */
export async function removeStaleSockets(homeDir: string): Promise<void> {
  await Promise.all(
    (await socketsOf(homeDir)).map(async (path) => {
      if (!(await listens(path))) await rm(path, { force: true });
    }),
  );
}

async function listens(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    return !isGone(error);
  } finally {
    socket.destroy();
  }
}

async function socketsOf(homeDir: string): Promise<string[]> {
  const folder = socketFolder(homeDir);
  // There is no folder before the first worker.
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.endsWith('.sock'))
    .sort()
    .map((name) => join(folder, name));
}

interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  readonly timeoutMs?: number;
}

async function askAll<T>(homeDir: string, schema: z.ZodType<T>, question: Question): Promise<WorkerAnswers<T>> {
  const sockets = await socketsOf(homeDir);
  const workers: T[] = [];
  const silent: { socket: string; problem: string }[] = [];
  const answers = await Promise.allSettled(sockets.map((socket) => askOne(socket, question)));
  for (const [index, answer] of answers.entries()) {
    const socket = sockets[index] ?? '';
    const parsed = answer.status === 'fulfilled' ? schema.safeParse(answer.value) : undefined;
    if (parsed?.success) workers.push(parsed.data);
    else if (answer.status === 'fulfilled')
      silent.push({ socket, problem: 'its answer has the form of another version' });
    else if (isGone(answer.reason)) await rm(socket, { force: true });
    else silent.push({ socket, problem: answer.reason instanceof Error ? answer.reason.message : '' });
  }
  return { workers, silent };
}

/** Whether nobody listens: the worker was killed, or has stopped since the folder was read. */
function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

async function askOne(socketPath: string, { method, path, body, timeoutMs = ANSWER_MS }: Question): Promise<unknown> {
  const asked = request({ socketPath, method, path, agent: false, signal: AbortSignal.timeout(timeoutMs) });
  asked.end(body);
  try {
    const [response] = (await once(asked, 'response')) as [IncomingMessage]; // as node:http has it
    return JSON.parse(await text(response));
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError')
      throw new Error(`no answer in ${timeoutMs} ms`, { cause: error });
    throw error;
  }
}
