/** The archive in a folder of the worker, which is created when something is archived. */
import { access, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { PART, writeAtomically } from '../atomic-file.ts';
import type { ObjectStore } from './object-store.ts';

/** Files are readable by the worker's user only. */
const FILE_MODE = 0o600;

export function openArchiveFolder(root: string): ObjectStore {
  const pathOf = (key: string): string => join(root, ...key.split('/'));
  return {
    place: root,
    has: async (key) => (await unlessMissing(access(pathOf(key)).then(() => true))) ?? false,
    put: async (key, bytes, signal) => {
      const path = pathOf(key);
      await removeParts(path);
      await writeAtomically(path, bytes, { mode: FILE_MODE, signal });
    },
    get: (key) => unlessMissing(readFile(pathOf(key))),
    remove: async (key) => {
      const path = pathOf(key);
      await removeParts(path);
      await rm(path, { force: true });
    },
    removeAll: (prefix) => rm(pathOf(prefix.replace(/\/$/, '')), { recursive: true, force: true }),
  };
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  return await found.catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Removes what a worker left that was killed while it wrote this file. */
async function removeParts(path: string): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => []);
  const parts = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(PART));
  await Promise.all(parts.map((name) => rm(join(dirname(path), name), { force: true })));
}
