/** `server.json` in the home folder: which server serves it, so that every process of that home uses the same one. */
import { execFile } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { writeAtomically } from '../storage/atomic-file.ts';
import { isAlive } from './lock.ts';

export const ServerRecord = z.object({
  /** `host:port` of the gRPC front end. */
  address: z.string(),
  uiUrl: z.string(),
  namespace: z.string(),
  pid: z.int().positive(),
  /** Absolute path of its SQLite file. */
  dbFile: z.string(),
  /** ISO 8601. */
  startedAt: z.string(),
});
export type ServerRecord = z.infer<typeof ServerRecord>;

const recordFile = (homeDir: string): string => join(homeDir, 'server.json');

/** The record of a server whose process lives; undefined where there is none, or what is there is stale or no record. */
export async function readRecord(homeDir: string): Promise<ServerRecord | undefined> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(recordFile(homeDir), 'utf8'));
  } catch {
    return undefined;
  }
  const { data } = ServerRecord.safeParse(content);
  return data !== undefined && (await isServerProcess(data.pid)) ? data : undefined;
}

export async function writeRecord(homeDir: string, record: ServerRecord): Promise<void> {
  await writeAtomically(recordFile(homeDir), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** Removes the record of that process, and no other's. */
export async function removeRecord(homeDir: string, pid: number): Promise<void> {
  const content = await readFile(recordFile(homeDir), 'utf8').catch(() => '');
  if (content.includes(`"pid": ${pid},`)) await rm(recordFile(homeDir), { force: true });
}

/** The system gives process ids away again, so the command line has to be a server's too. */
async function isServerProcess(pid: number): Promise<boolean> {
  return isAlive(pid) && (await commandLineOf(pid)).includes('start-dev');
}

/** Program and arguments of a process, with a blank or NUL between them; empty where they cannot be read. */
export async function commandLineOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // No /proc: not Linux.
  }
  try {
    return (await promisify(execFile)('ps', ['-p', String(pid), '-o', 'command='])).stdout;
  } catch {
    return '';
  }
}
