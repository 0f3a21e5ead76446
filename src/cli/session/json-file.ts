/** Reads and writes JSON files of commands; `-` is stdin. */
import { readFile, writeFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { CopilotError } from '../../contracts/errors.ts';
import type { CommonFlags } from '../connected.ts';
import { parseWholeNumber } from '../numbers.ts';

export interface VersionFlags extends CommonFlags {
  readonly expectedVersion?: string;
}

/** @throws CopilotError `InvalidInput` if it cannot be read or is not JSON */
export async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new CopilotError(
      'InvalidInput',
      { what: nameOf(path), problem: `it is not JSON (${reason(cause)})` },
      { cause },
    );
  }
}

async function readText(path: string): Promise<string> {
  if (path === '-') return await readAll(process.stdin);
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new CopilotError(
      'InvalidInput',
      { what: nameOf(path), problem: `it cannot be read (${reason(cause)})` },
      { cause },
    );
  }
}

/** @throws CopilotError `InvalidInput` if it cannot be written */
export async function writeJson(path: string, value: unknown): Promise<void> {
  try {
    await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
  } catch (cause) {
    throw new CopilotError(
      'InvalidInput',
      { what: nameOf(path), problem: `it cannot be written (${reason(cause)})` },
      { cause },
    );
  }
}

/** `--expected-version` as an option of the client. @throws CopilotError `InvalidInput` */
export function versionOption({ expectedVersion }: VersionFlags): { expectedVersion?: number } {
  return expectedVersion === undefined
    ? {}
    : { expectedVersion: parseWholeNumber('--expected-version', expectedVersion) };
}

/** A number is the version of a snapshot; other text is its id or `latest`. */
export function snapshotRef(text: string): string | number {
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}

const nameOf = (path: string): string => (path === '-' ? 'stdin' : `file "${path}"`);
const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));
