/** The Temporal server of a home folder: `server.json` names it, so that every process of that home uses the same one. */
import { execFile } from 'node:child_process';
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { writeAtomically } from '../../storage/atomic-file.ts';

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

export interface HomeServer {
  /** What `server.json` says; undefined if there is no such file, or if it is not a record. */
  readonly record: ServerRecord | undefined;
  readonly isRunning: boolean;
  /** Whether this home has sessions on a server of its own that is not running. */
  readonly isDown: boolean;
}

const recordFile = (homeDir: string): string => join(homeDir, 'server.json');

/** The SQLite file of the server that is started for a home folder. */
export const databaseFile = (homeDir: string): string => join(homeDir, 'temporal.db');

export async function findHomeServer(homeDir: string): Promise<HomeServer> {
  const record = await parseRecord(homeDir);
  const isRunning = record !== undefined && (await isServerProcess(record.pid));
  const isKnown = record !== undefined || (await exists(databaseFile(homeDir)));
  return { record, isRunning, isDown: isKnown && !isRunning };
}

/** The record of a running server. Undefined if there is none, or if it is stale or not a record. */
export async function readRecord(homeDir: string): Promise<ServerRecord | undefined> {
  const { record, isRunning } = await findHomeServer(homeDir);
  return isRunning ? record : undefined;
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

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

/** The system reuses process ids, so we check the command line, too. */
async function isServerProcess(pid: number): Promise<boolean> {
  return isAlive(pid) && (await commandLineOf(pid)).includes('start-dev');
}

/** Whether a process of this id is running here, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
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
