/**
 * Paths of one session's workspace.
 *
 * `resolveInside` resolves all links of a path and compares the result with the workspace. `openFolder` then opens it
 * folder by folder from the workspace down and follows no link, so a link that is swapped in after the check is an
 * error and not a way out. On Linux each step starts from the open parent folder (`/proc/self/fd`), so there is no
 * race. Elsewhere the opened path is resolved once more.
 *
 * Every refusal is a CopilotError `ToolFailed` that names the path and says what to do.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, mkdir, open, readdir, realpath } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { CopilotError } from '../../contracts/errors.ts';
import { refusal, shown } from '../refusal.ts';
import { codeOf, FILE_PROBLEMS, undefinedIfMissing, undefinedIfPresent } from './file-problems.ts';

/** Names with this prefix are this program's own temporary files. Listings omit them. */
export const TEMPORARY_PREFIX = '.copilot-';
export const MAX_FOLDER_DEPTH = 64;

const MAX_PATH_LENGTH = 4_096;
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** The tool that refusals name, and the folder that it stays in. */
export interface Scope {
  readonly tool: string;
  /** Absolute path of an existing folder. */
  readonly workspace: string;
  /** Throws if the call may not change files any more. */
  readonly requireCurrent?: (() => void) | undefined;
}

/** A path that lies inside the workspace, links resolved. */
export interface Place {
  /** Real path of the workspace. */
  readonly root: string;
  /** Absolute real path. */
  readonly absolute: string;
  /** Relative to the workspace with `/` between folders; `.` is the workspace itself. */
  readonly relative: string;
  /** Undefined if it does not exist yet. */
  readonly kind: EntryKind | undefined;
}

export type EntryKind = 'file' | 'folder' | 'link' | 'special';

/**
 * Resolves a path. A relative path starts at the workspace; an absolute one must lie inside it.
 * @throws CopilotError `ToolFailed` if it leaves the workspace, also through a link, or if it does not exist and
 * `mustExist` (default true) is set
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
  const root = await workspaceRoot(scope);
  let wanted = isAbsolute(path) ? resolve(path) : resolve(root, path);
  if (!isInside(root, wanted) && isInside(resolve(scope.workspace), wanted)) {
    wanted = join(root, relative(resolve(scope.workspace), wanted));
  }
  if (!isInside(root, wanted)) throw outside(scope, path);

  const missing: string[] = [];
  for (let existing = await asWritten(root, wanted); ; existing = dirname(existing)) {
    const real = await explained(scope, path, () => realPathOf(existing));
    if (real === undefined) {
      missing.unshift(basename(existing));
      continue;
    }
    if (!isInside(root, real)) throw outside(scope, path);
    const absolute = join(real, ...missing);
    const kind = missing.length === 0 ? kindOf(await explained(scope, path, () => lstat(real))) : undefined;
    if (kind === undefined && options.mustExist !== false) {
      throw refusal(scope, `${shown(path)} does not exist. list_files shows what exists.`);
    }
    return { root, absolute, kind, relative: relative(root, absolute).split(sep).join('/') || '.' };
  }
}

/**
 * The path with each name in the Unicode form that the file has on disk. `ö` may be one character or two, and people and
 * models do not see which.
 */
async function asWritten(root: string, path: string): Promise<string> {
  if (/^[\x20-\x7e]*$/.test(path)) return path;
  let at = root;
  for (const name of relative(root, path).split(sep)) {
    const entries: readonly string[] = await readdir(at).catch(() => []);
    const form = name.normalize('NFC');
    at = join(at, entries.includes(name) ? name : (entries.find((entry) => entry.normalize('NFC') === form) ?? name));
  }
  return at;
}

export interface OpenFolder {
  readonly handle: FileHandle;
  readonly absolute: string;
}

/**
 * Opens a folder step by step from the workspace and follows no link. New folders get the permissions of the folder that
 * holds them. `at` is a resolved relative path.
 */
export async function openFolder(
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
        const isNew = options.create === true && (await makeFolder(next));
        const handle = await open(next, FOLDER_FLAGS);
        if (isNew) await setMode(handle, (await folder.handle.stat()).mode & 0o777);
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

/** @returns whether it is new */
async function makeFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    undefinedIfPresent(error);
    return false;
  }
}

export function childPath(folder: OpenFolder, name: string): string {
  return process.platform === 'linux' ? `/proc/self/fd/${folder.handle.fd}/${name}` : join(folder.absolute, name);
}

/**
 * Gives an open file or folder its permissions. Node's permission model (`node --permission`) forbids that for what is open;
 * then it stays as it was made, for its owner only.
 */
export async function setMode(handle: FileHandle, mode: number): Promise<void> {
  try {
    await handle.chmod(mode);
  } catch (error) {
    if (codeOf(error) !== 'ERR_ACCESS_DENIED') throw error;
  }
}

export function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  return stats.isSymbolicLink() ? 'link' : 'special';
}

/** A unique file name that listings omit. */
export function temporaryName(extension = ''): string {
  return `${TEMPORARY_PREFIX}${randomBytes(8).toString('hex')}${extension}`;
}

export function outside(scope: Scope, path: string): CopilotError {
  return refusal(
    scope,
    `${shown(path)} leads out of the workspace. Use a path inside it, such as "notes/a.md", without links.`,
  );
}

/** Puts errors of the file system into words for the agent. Errors that it cannot act on pass through and are retried. */
export async function explained<T>(scope: Scope, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const problem = FILE_PROBLEMS[codeOf(error) ?? ''];
    throw problem === undefined ? error : refusal(scope, `${shown(path)} ${problem}`, { cause: error });
  }
}

async function workspaceRoot(scope: Scope): Promise<string> {
  try {
    return await realpath(scope.workspace);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
    const problem = `the workspace ${shown(scope.workspace)} does not exist and cannot be made with the permissions of this program. Go on without files, or ask for another workspace.`;
    throw refusal(scope, problem, { cause: error });
  }
}

/** The real path, or undefined if nothing exists. A link to nowhere counts as existing. */
async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    const entry = await lstat(path).catch(undefinedIfMissing);
    if (entry?.isSymbolicLink()) throw error;
    // Another call of the same round may have made it in the meantime.
    return entry && (await realpath(path));
  }
}

function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}
