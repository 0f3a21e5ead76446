/** `server.json` in the home folder names its server, so that every process of that home uses the same one. */
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

/** The record of a running server. Undefined if there is none, or if it is stale or not a record. */
export async function readRecord(homeDir: string): Promise<ServerRecord | undefined> {
  const record = await parseRecord(homeDir);
  return record !== undefined && (await isServerProcess(record.pid)) ? record : undefined;
}

async function parseRecord(homeDir: string): Promise<ServerRecord | undefined> {
  try {
    return ServerRecord.parse(JSON.parse(await readFile(recordFile(homeDir), 'utf8')));
  } catch {
    return undefined;
  }
}

export async function writeRecord(homeDir: string, record: ServerRecord): Promise<void> {
  await writeAtomically(recordFile(homeDir), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** Removes the record if it is of that process. */
export async function removeRecord(homeDir: string, pid: number): Promise<void> {
  if ((await parseRecord(homeDir))?.pid === pid) await rm(recordFile(homeDir), { force: true });
}

/** The system reuses process ids, so we check the command line, too. */
async function isServerProcess(pid: number): Promise<boolean> {
  return isAlive(pid) && (await commandLineOf(pid)).includes('start-dev');
}

/** Program and arguments of a process, with a blank or NUL between them. Empty if they cannot be read. */
export async function commandLineOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // There is no /proc: this is not Linux.
  }
  try {
    return (await promisify(execFile)('ps', ['-p', String(pid), '-o', 'command='])).stdout;
  } catch {
    return '';
  }
}
