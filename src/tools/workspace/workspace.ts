/**
 * Files of one session's workspace, and nothing else.
 *
 * A path is first resolved with all its links and compared with the workspace. It is then opened folder by
 * folder from the workspace down, following no link, so that a link swapped in between check and use is an
 * error and not a way out. On Linux each step starts from the open parent folder (`/proc/self/fd`), which
 * leaves no gap at all; elsewhere the opened path is resolved once more.
 *
 * Every refusal is a CopilotError `ToolFailed` that names the path and says what to do.
 */
import { randomBytes } from 'node:crypto';
import { constants, renameSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, opendir, realpath, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { CopilotError } from '../../contracts/errors.ts';
import { codeOf, FILE_PROBLEMS, undefinedIfMissing, undefinedIfPresent } from './file-problems.ts';
import { quoted } from '../files/text.ts';

/** Names that begin so are this program's own passing files; listings leave them out. */
export const TEMPORARY_PREFIX = '.copilot-';

const MAX_PATH_LENGTH = 4_096;
const MAX_FOLDER_DEPTH = 64;
/** Names taken of one folder, as they come; they are sorted in memory, which code can fill with millions of them. */
const MAX_FOLDER_NAMES = 100_000;
/** Entries of a folder that are looked at together. */
const LOOK_BATCH = 100;
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Without O_NONBLOCK opening a FIFO waits for a writer for ever. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const APPEND_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** The tool that refusals name, and the folder that it stays in. */
export interface Scope {
  readonly tool: string;
  /** Absolute path of an existing folder. */
  readonly workspace: string;
}

/** A path that lies inside the workspace, links resolved. */
export interface Place {
  /** Real path of the workspace. */
  readonly root: string;
  /** Absolute real path. */
  readonly absolute: string;
  /** Relative to the workspace with `/` between folders; `.` is the workspace itself. */
  readonly relative: string;
  /** Undefined where nothing is there yet. */
  readonly kind: EntryKind | undefined;
}

export type EntryKind = 'file' | 'folder' | 'link' | 'special';

export interface OpenFile {
  /** To be closed by the caller. */
  readonly handle: FileHandle;
  readonly relative: string;
  readonly bytes: number;
}

export interface Entry {
  /** Relative to the workspace. */
  readonly path: string;
  readonly kind: EntryKind;
  readonly bytes: number;
  /** Last change of content or attributes, milliseconds since 1970 with a fraction. */
  readonly changedMs: number;
}

/** A `ToolFailed` that tells the agent what is wrong and what to do. */
export function refusal(scope: Pick<Scope, 'tool'>, problem: string, options?: ErrorOptions): CopilotError {
  return new CopilotError('ToolFailed', { tool: scope.tool, problem }, options);
}

/**
 * Where `path` lies. A relative path is taken from the workspace; an absolute one is fine where it lies inside.
 * @throws CopilotError `ToolFailed` where it leaves the workspace, also by a link in any of its folders,
 * or where `mustExist` (default true) is not met
 */
export async function resolveInside(
  scope: Scope,
  path: string,
  options: { readonly mustExist?: boolean } = {},
): Promise<Place> {
  if (path === '' || path.includes('\0') || path.length > MAX_PATH_LENGTH) {
    throw refusal(
      scope,
      `${shown(path)} is not a usable path. Give a path relative to the workspace, such as "notes/a.md".`,
    );
  }
  const root = await realpath(scope.workspace);
  let wanted = isAbsolute(path) ? resolve(path) : resolve(root, path);
  if (!isInside(root, wanted) && isInside(resolve(scope.workspace), wanted)) {
    wanted = join(root, relative(resolve(scope.workspace), wanted));
  }
  if (!isInside(root, wanted)) throw outside(scope, path);

  const missing: string[] = [];
  for (let existing = wanted; ; existing = dirname(existing)) {
    const real = await explained(scope, path, () => realPathOf(existing));
    if (real === undefined) {
      missing.unshift(basename(existing));
      continue;
    }
    if (!isInside(root, real)) throw outside(scope, path);
    const absolute = join(real, ...missing);
    const kind = missing.length === 0 ? kindOf(await explained(scope, path, () => lstat(real))) : undefined;
    if (kind === undefined && options.mustExist !== false) {
      throw refusal(scope, `${shown(path)} does not exist. list_files shows what there is.`);
    }
    return { root, absolute, kind, relative: relative(root, absolute).split(sep).join('/') || '.' };
  }
}

/**
 * Opens a regular file for reading, or with `append` for writing at its end; then it and its folders are created
 * where they are missing.
 * @throws CopilotError `ToolFailed` for anything else, or where it is larger than `maxBytes`
 */
export async function openInside(
  scope: Scope,
  path: string,
  maxBytes: number,
  { append = false }: { readonly append?: boolean } = {},
): Promise<OpenFile> {
  const place = await resolveInside(scope, path, { mustExist: !append });
  if (place.relative === '.')
    throw refusal(scope, `${shown(path)} is a folder. Give a file; list_files shows what there is.`);
  const folder = await openFolder(scope, place.root, dirname(place.relative), path, { create: append });
  try {
    return await explained(scope, path, async () => {
      const target = childPath(folder, basename(place.relative));
      const old = await lstat(target).catch(append ? undefinedIfMissing : rethrown);
      if (old !== undefined) refuseUnlessFile(scope, path, old);
      const handle = await open(target, append ? APPEND_FLAGS : READ_FLAGS, 0o666);
      try {
        const stats = await handle.stat();
        refuseUnlessFile(scope, path, stats);
        if (stats.size > maxBytes) {
          throw refusal(
            scope,
            `${shown(path)} has ${stats.size} bytes, and the limit is ${maxBytes}. ${append ? 'Go on in a new file.' : 'Use search_files, or run_code where it is allowed, to take what you need from it.'}`,
          );
        }
        // Another name of the same file may lie anywhere.
        if (append && stats.nlink > 1) {
          throw refusal(
            scope,
            `${shown(path)} is one of ${stats.nlink} names of the same file (hard links), which would all change. Go on in a new file.`,
          );
        }
        return { handle, relative: place.relative, bytes: stats.size };
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  } finally {
    await folder.handle.close();
  }
}

/** The whole content of a regular file of at most `maxBytes`. @throws CopilotError `ToolFailed`, see {@link openInside} */
export async function readInside(
  scope: Scope,
  path: string,
  maxBytes: number,
): Promise<{ readonly relative: string; readonly content: Buffer }> {
  const file = await openInside(scope, path, maxBytes);
  try {
    return { relative: file.relative, content: await contentOf(file) };
  } finally {
    await file.handle.close();
  }
}

/** The content as far as it went when the file was opened: one that grows all the time has no end of its own. */
export async function contentOf({ handle, bytes }: Pick<OpenFile, 'handle' | 'bytes'>): Promise<Buffer> {
  const content = Buffer.allocUnsafe(bytes);
  let end = 0;
  while (end < bytes) {
    const { bytesRead } = await handle.read(content, end, bytes - end, end);
    if (bytesRead === 0) break;
    end += bytesRead;
  }
  return content.subarray(0, end);
}

/**
 * Writes a file whole or not at all: into a passing file beside it, then renamed over it. Folders are created,
 * a file that was there is replaced and its permissions are kept.
 * @param check called with the path of the file right before it is replaced; where it throws, nothing is
 * @throws CopilotError `ToolFailed` where something that is no regular file is in the way
 */
export async function writeInside(
  scope: Scope,
  path: string,
  content: string | Buffer,
  check: (target: string) => void = () => undefined,
): Promise<Place> {
  const place = await resolveInside(scope, path, { mustExist: false });
  if (place.relative === '.') throw refusal(scope, `${shown(path)} is the workspace itself. Give the name of a file.`);
  const folder = await openFolder(scope, place.root, dirname(place.relative), path, { create: true });
  try {
    await explained(scope, path, async () => {
      const target = childPath(folder, basename(place.relative));
      const old = await lstat(target).catch(undefinedIfMissing);
      if (old !== undefined) refuseUnlessFile(scope, path, old);
      const temporary = childPath(folder, temporaryName());
      const handle = await open(temporary, CREATE_FLAGS, 0o666);
      try {
        if (old !== undefined) await handle.chmod(old.mode & 0o777);
        await handle.writeFile(content);
        await handle.sync();
        // Both in one go, so that nothing of this program comes between them.
        check(target);
        renameSync(temporary, target);
      } catch (error) {
        await unlink(temporary).catch(() => undefined);
        throw error;
      } finally {
        await handle.close();
      }
    });
  } finally {
    await folder.handle.close();
  }
  return { ...place, kind: 'file' };
}

/**
 * What lies in a folder, folder by folder, each sorted by name. Links are named and never followed; this
 * program's own passing files and what `skip` names are left out. A folder that vanishes meanwhile is passed over,
 * and of one with more than 100,000 names as many are taken. It ends by itself at a depth of 64, but is as long as
 * the workspace is large: who walks sets an end.
 * @throws CopilotError `ToolFailed` where `path` is no folder inside the workspace
 */
export async function* walk(
  scope: Scope,
  path: string,
  options: { readonly recursive: boolean; readonly skip?: ReadonlySet<string> },
): AsyncGenerator<Entry> {
  const place = await resolveInside(scope, path);
  if (place.kind !== 'folder')
    throw refusal(scope, `${shown(path)} is no folder. Give a folder; read_file reads a file.`);
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

/** A name that listings leave out and that nobody else has. */
export function temporaryName(extension = ''): string {
  return `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}${extension}`;
}

/** A path or value as messages show it: quoted, shortened, without control characters. */
export function shown(value: string): string {
  return quoted(value.length > 200 ? `${value.slice(0, 200)}…` : value);
}

interface OpenFolder {
  readonly handle: FileHandle;
  readonly absolute: string;
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

/** Opens a folder step by step from the workspace, following no link. `at` is a resolved relative path. */
async function openFolder(
  scope: Scope,
  root: string,
  at: string,
  path: string,
  options: { readonly create?: boolean } = {},
): Promise<OpenFolder> {
  const names = at === '.' ? [] : at.split('/');
  if (names.length > MAX_FOLDER_DEPTH)
    throw refusal(scope, `${shown(path)} is more than ${MAX_FOLDER_DEPTH} folders deep. Use fewer.`);
  return explained(scope, path, async () => {
    let folder: OpenFolder = { handle: await open(root, FOLDER_FLAGS), absolute: root };
    try {
      for (const name of names) {
        const next = childPath(folder, name);
        if (options.create) await mkdir(next).catch(undefinedIfPresent);
        const handle = await open(next, FOLDER_FLAGS);
        await folder.handle.close();
        folder = { handle, absolute: join(folder.absolute, name) };
      }
      if (process.platform !== 'linux' && (await realpath(folder.absolute)) !== folder.absolute)
        throw outside(scope, path);
      return folder;
    } catch (error) {
      await folder.handle.close();
      throw error;
    }
  });
}

function childPath(folder: OpenFolder, name: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${folder.handle.fd}/${name}` : join(folder.absolute, name);
}

/** The real path, or undefined where nothing is there. A link to nowhere counts as something. */
async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || (await lstat(path).catch(undefinedIfMissing)) !== undefined) throw error;
    return undefined;
  }
}

function refuseUnlessFile(scope: Scope, path: string, stats: Stats): void {
  const kind = kindOf(stats);
  if (kind === 'folder')
    throw refusal(scope, `${shown(path)} is a folder. Give a file; list_files shows what there is.`);
  if (kind === 'link') throw outside(scope, path);
  if (kind === 'special') throw refusal(scope, `${shown(path)} is a pipe, socket or device. Give a regular file.`);
}

function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'special';
}

function outside(scope: Scope, path: string): CopilotError {
  return refusal(
    scope,
    `${shown(path)} leads out of the workspace. Use a path inside it, such as "notes/a.md", without links.`,
  );
}

/** What the file system says, in words for the agent; errors it can do nothing about pass through and are retried. */
async function explained<T>(scope: Scope, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const problem = FILE_PROBLEMS[codeOf(error) ?? ''];
    throw problem === undefined ? error : refusal(scope, `${shown(path)} ${problem}`, { cause: error });
  }
}

function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function rethrown(error: unknown): never {
  throw error;
}
