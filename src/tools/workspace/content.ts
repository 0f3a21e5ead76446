/** Reads and writes regular files of the workspace. */
import { constants, renameSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { lstat, open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { refusal, shown } from '../refusal.ts';
import { undefinedIfMissing } from './file-problems.ts';
import {
  childPath,
  explained,
  kindOf,
  type OpenFolder,
  openFolder,
  outside,
  type Place,
  resolveInside,
  type Scope,
  temporaryName,
  setMode,
} from './paths.ts';

/** Without O_NONBLOCK, opening a FIFO would wait for a writer. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const APPEND_FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface OpenFile {
  /** The caller closes it. */
  readonly handle: FileHandle;
  readonly relative: string;
  readonly bytes: number;
}

/**
 * Opens a regular file for reading, or with `append` for writing at its end. `append` creates missing files and folders.
 * @throws CopilotError `ToolFailed` if it is not a regular file or is larger than `maxBytes`
 */
export async function openInside(
  scope: Scope,
  path: string,
  maxBytes: number,
  { append = false }: { readonly append?: boolean } = {},
): Promise<OpenFile> {
  const place = await resolveInside(scope, path, { mustExist: !append });
  if (place.relative === '.')
    throw refusal(scope, `${shown(path)} is a folder. Give a file; list_files shows what exists.`);
  const folder = await openFolder(scope, place.root, dirname(place.relative), path, { create: append });
  try {
    return await explained(scope, path, async () => {
      const target = childPath(folder, basename(place.relative));
      const old = await lstat(target).catch(append ? undefinedIfMissing : rethrown);
      if (old !== undefined) refuseUnlessFile(scope, path, old);
      const handle = await open(target, append ? APPEND_FLAGS : READ_FLAGS, 0o600);
      try {
        if (append && old === undefined) await setMode(handle, await newFileMode(folder));
        const stats = await handle.stat();
        refuseUnlessFile(scope, path, stats);
        if (stats.size > maxBytes) {
          throw refusal(
            scope,
            `${shown(path)} has ${stats.size} bytes, and the limit is ${maxBytes}. ${append ? 'Continue in a new file.' : 'Use search_files, or run_code if you have it, to get the part you need.'}`,
          );
        }
        // Another name of the same file may lie outside the workspace.
        if (append && stats.nlink > 1) {
          throw refusal(
            scope,
            `${shown(path)} is one of ${stats.nlink} hard links to the same file, and all of them would change. Continue in a new file.`,
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

/** Reads as many bytes as the file had when it was opened, because a growing file may never end. */
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
 * Writes a file atomically: into a temporary file beside it, which is then renamed. Missing folders are created. An
 * existing file is replaced and its permissions are kept.
 * @param check called with the path of the file right before it is replaced; if it throws, nothing changes
 * @throws CopilotError `ToolFailed` if something other than a regular file has this name
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
      const handle = await open(temporary, CREATE_FLAGS, 0o600);
      try {
        await setMode(handle, old === undefined ? await newFileMode(folder) : old.mode & 0o777);
        await handle.writeFile(content);
        await handle.sync();
        // All synchronous, so that nothing in this program runs between them.
        scope.requireCurrent?.();
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
 * A new file may be read and written by those who may read and write the folder that holds it: in a session's own
 * workspace by its owner only, in a folder of the user's as the user has it, whatever the umask of this program.
 */
async function newFileMode({ handle }: OpenFolder): Promise<number> {
  return (await handle.stat()).mode & 0o666;
}

function refuseUnlessFile(scope: Scope, path: string, stats: Stats): void {
  const kind = kindOf(stats);
  if (kind === 'folder') throw refusal(scope, `${shown(path)} is a folder. Give a file; list_files shows what exists.`);
  if (kind === 'link') throw outside(scope, path);
  if (kind === 'special') throw refusal(scope, `${shown(path)} is a pipe, socket or device. Give a regular file.`);
}

function rethrown(error: unknown): never {
  throw error;
}
