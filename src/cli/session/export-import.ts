/** `copilot export`, `import` and `fork`. */
import type { SessionHandle } from '../../client/session/session-handle.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { optional, parseWholeNumber } from '../numbers.ts';
import { printResult, sayJson } from '../terminal.ts';
import { readJson, snapshotRef, writeJson } from './json-file.ts';

export interface ImportFlags extends CommonFlags {
  readonly id?: string;
  readonly keepId?: boolean;
  readonly name?: string;
  readonly user?: string;
}

export interface ForkFlags extends CommonFlags {
  readonly turn?: string;
  readonly snapshot?: string;
  readonly id?: string;
  readonly name?: string;
}

export async function runExport(id: string, path: string, { json }: CommonFlags): Promise<void> {
  await withClient(async (client) => {
    const file = await client.session(id).export();
    if (path === '-') return sayJson(file, json ? undefined : 2);
    await writeJson(path, file);
    printResult(json, { sessionId: id, file: path }, () => `${id} was written to ${path}`);
  });
}

export async function runImport(path: string, flags: ImportFlags): Promise<void> {
  const file = await readJson(path);
  const { id, keepId, name, user, json } = flags;
  await withClient(async (client) => printSession(json, await client.import(file, { id, keepId, name, user })));
}

export async function runFork(id: string, flags: ForkFlags): Promise<void> {
  const { turn, snapshot, id: newId, name, json } = flags;
  const options = {
    turn: optional(parseWholeNumber, '--turn', turn),
    snapshot: snapshot === undefined ? undefined : snapshotRef(snapshot),
    id: newId,
    name,
  };
  await withClient(async (client) => printSession(json, await client.session(id).fork(options)));
}

/** Prints a new session like `start`. */
function printSession(json: boolean | undefined, { id, webUrl }: SessionHandle): void {
  printResult(json, { sessionId: id, webUrl: webUrl ?? null }, () =>
    [id, ...(webUrl === undefined ? [] : [webUrl])].join('\n'),
  );
}
