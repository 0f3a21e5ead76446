/** A payload store in a folder, on one machine or on a share of several. */
import { access, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../atomic-file.ts';
import { type ObjectStore, storeUnavailable } from './object-store.ts';

/**
 * Files are for this user alone (0600, folders 0700).
 * @param root an existing folder. It is never created: a share that is not mounted would look like an empty one.
 */
export function openFolderStore(root: string): ObjectStore {
  const pathOf = (key: string): string => join(root, ...key.split('/'));
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      throw storeUnavailable(root, cause instanceof Error ? cause.message : String(cause), cause);
    }
  };
  return {
    place: root,
    has: (key) => guarded(() => exists(root, pathOf(key))),
    put: (key, bytes, signal) => guarded(() => write(root, pathOf(key), bytes, signal)),
    get: (key, signal) => guarded(() => read(root, pathOf(key), signal)),
    remove: (key) => guarded(() => rm(pathOf(key), { force: true })),
    removeAll: (prefix) =>
      guarded(async () => {
        await stat(root);
        await rm(pathOf(prefix.replace(/\/$/, '')), { recursive: true, force: true, maxRetries: 3 });
      }),
  };
}

async function exists(root: string, path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (!isMissing(error)) throw error;
    await stat(root);
    return false;
  }
}

async function read(root: string, path: string, signal: AbortSignal | undefined): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path, { ...(signal ? { signal } : {}) });
  } catch (error) {
    if (!isMissing(error)) throw error;
    // If the whole store is away, nothing of it is lost.
    await stat(root);
    return undefined;
  }
}

async function write(root: string, path: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
  await stat(root);
  await writeAtomically(path, bytes, { mode: 0o600, folderMode: 0o700, signal });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
