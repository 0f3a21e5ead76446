/** `copilot files`: the files of a session, which may be on another host. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CopilotError } from '../../contracts/errors.ts';
import { type CommonFlags, withClient } from '../connected.ts';
import { table } from '../table.ts';
import { out, printResult } from '../terminal.ts';

export interface GetFlags extends CommonFlags {
  readonly force?: boolean;
}

export interface PutFlags extends CommonFlags {
  readonly keep?: boolean;
}

export async function runFilesList(id: string, { json }: CommonFlags): Promise<void> {
  const files = await withClient((client) => client.session(id).files.list());
  printResult(json, { sessionId: id, files }, () =>
    files.length === 0
      ? 'There are no files.'
      : table(
          ['FILE', 'BYTES', 'CHANGED'],
          files.map(({ path, bytes, changedAt }) => [path, String(bytes), changedAt]),
        ),
  );
}

/** @param to file here; `-` is stdout */
export async function runFilesGet(id: string, path: string, to: string, { json, force }: GetFlags): Promise<void> {
  const content = await withClient((client) => client.session(id).files.get(path));
  if (to === '-') {
    if (json) throw invalid('--json', 'stdout is for the file; leave one of them out');
    return out.writeFile(content);
  }
  await orInvalid(to, 'written', () => writeFile(to, content, { flag: force ? 'w' : 'wx', mode: 0o600 }));
  printResult(json, { sessionId: id, path, bytes: content.length, file: to }, () => `${path} was written to ${to}`);
}

/** @param from file here; `-` is stdin */
export async function runFilesPut(id: string, from: string, path: string | undefined, flags: PutFlags): Promise<void> {
  const { json, keep = false } = flags;
  if (from === '-' && path === undefined) throw invalid('path', 'name the file that stdin becomes');
  const name = path ?? basename(from);
  const content = from === '-' ? await buffer(process.stdin) : await orInvalid(from, 'read', () => readFile(from));
  const written = await withClient((client) => client.session(id).files.put(name, content, { replace: !keep }));
  printResult(json, { sessionId: id, ...written }, () => `${written.path}: ${written.bytes} bytes`);
}

export async function runFilesDelete(id: string, path: string, { json }: CommonFlags): Promise<void> {
  await withClient((client) => client.session(id).files.delete(path));
  printResult(json, { sessionId: id, path, deleted: true }, () => `${path} was deleted`);
}

async function orInvalid<T>(file: string, done: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'EEXIST') throw invalid(`file "${file}"`, 'it is there already; name another one, or pass --force');
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`file "${file}"`, `it cannot be ${done} (${reason})`, cause);
  }
}

function invalid(what: string, problem: string, cause?: unknown): CopilotError {
  return new CopilotError('InvalidInput', { what, problem }, cause === undefined ? {} : { cause });
}
