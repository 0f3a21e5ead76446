/** Lists what the workspace contains. */
import { lstat, opendir } from 'node:fs/promises';
import { refusal, shown } from '../refusal.ts';
import { undefinedIfMissing } from './file-problems.ts';
import {
  childPath,
  type EntryKind,
  kindOf,
  MAX_FOLDER_DEPTH,
  openFolder,
  resolveInside,
  type Scope,
  TEMPORARY_PREFIX,
} from './paths.ts';

/** How many names of one folder are read. They are sorted in memory, and code can make millions of them. */
const MAX_FOLDER_NAMES = 100_000;
/** How many entries of a folder are looked at concurrently. */
const LOOK_BATCH = 100;

export interface Entry {
  /** Relative to the workspace. */
  readonly path: string;
  readonly kind: EntryKind;
  readonly bytes: number;
  /** Last change of content or attributes, in milliseconds since 1970 with a fraction. */
  readonly changedMs: number;
}

/**
 * Lists a folder and, with `recursive`, its subfolders to a depth of 64, each sorted by name. Links are listed and
 * never followed. This program's temporary files and the names in `skip` are omitted. A folder that vanishes meanwhile
 * is skipped, and of a folder with more than 100,000 names only that many are listed. The number of entries is not
 * limited; the caller limits it.
 * @throws CopilotError `ToolFailed` if `path` is not a folder inside the workspace
 */
export async function* walk(
  scope: Scope,
  path: string,
  options: { readonly recursive: boolean; readonly skip?: ReadonlySet<string> },
): AsyncGenerator<Entry> {
  const place = await resolveInside(scope, path);
  if (place.kind !== 'folder')
    throw refusal(scope, `${shown(path)} is not a folder. Give a folder; read_file reads a file.`);
  const pending = [place.relative];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const folders: string[] = [];
    try {
      for await (const entry of entriesOf(scope, place.root, at, options.skip)) {
        if (entry.kind === 'folder' && entry.path.split('/').length < MAX_FOLDER_DEPTH) folders.push(entry.path);
        yield entry;
      }
    } catch (error) {
      if (at === place.relative) throw error;
    }
    if (!options.recursive) continue;
    for (const folder of folders.reverse()) pending.push(folder);
  }
}

async function* entriesOf(scope: Scope, root: string, at: string, skip?: ReadonlySet<string>): AsyncGenerator<Entry> {
  const folder = await openFolder(scope, root, at, at);
  try {
    const names: string[] = [];
    for await (const { name } of await opendir(childPath(folder, '.'), { bufferSize: 1_024 })) {
      if (!name.startsWith(TEMPORARY_PREFIX) && !skip?.has(name)) names.push(name);
      if (names.length === MAX_FOLDER_NAMES) break;
    }
    names.sort();
    for (let from = 0; from < names.length; from += LOOK_BATCH) {
      const batch = names.slice(from, from + LOOK_BATCH);
      const looks = batch.map((name) => lstat(childPath(folder, name)).catch(undefinedIfMissing));
      for (const [index, stats] of (await Promise.all(looks)).entries()) {
        if (stats === undefined) continue;
        const name = batch[index] ?? '';
        const path = at === '.' ? name : `${at}/${name}`;
        yield { path, kind: kindOf(stats), bytes: stats.size, changedMs: stats.ctimeMs };
      }
    }
  } finally {
    await folder.handle.close();
  }
}
