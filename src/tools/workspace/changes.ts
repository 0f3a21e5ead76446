/** Edits and appends. Changes to the same file run one after another, so that none is lost. */
import { lstatSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { refusal, shown } from '../refusal.ts';
import { contentOf, openInside, writeInside } from './content.ts';
import { type Place, resolveInside, type Scope } from './paths.ts';

/** The last queued change of each file, by path. */
const queues = new Map<string, Promise<unknown>>();

/**
 * Replaces a file atomically by what `change` makes of its content.
 * @throws CopilotError `ToolFailed` if it is not a regular file of at most `maxBytes`, or if another program changed it
 * meanwhile; what `change` throws
 */
export async function updateInside(
  scope: Scope,
  path: string,
  maxBytes: number,
  change: (content: Buffer) => string | Buffer,
): Promise<Place> {
  const { absolute } = await resolveInside(scope, path);
  return await queued(absolute, async () => {
    const file = await openInside(scope, path, maxBytes);
    const changedMeanwhile = (): Error =>
      refusal(scope, `${shown(path)} was changed by another program meanwhile. Read it again, then repeat the edit.`);
    try {
      const before = await file.handle.stat({ bigint: true });
      if (Number(before.size) !== file.bytes) throw changedMeanwhile();
      const content = change(await contentOf(file));
      // While the handle is open, no new file can get the inode number of the old one.
      return await writeInside(scope, path, content, (target) => {
        if (!isSame(before, lstatSync(target, { bigint: true, throwIfNoEntry: false }))) throw changedMeanwhile();
      });
    } finally {
      await file.handle.close();
    }
  });
}

export interface Appended {
  /** Relative to the workspace. */
  readonly relative: string;
  /** Size of the whole file now. */
  readonly bytes: number;
  /** Whether the file had content that did not end with a line break. */
  readonly continuesLine: boolean;
}

/**
 * Appends text to a file. Missing files and folders are created.
 * @throws CopilotError `ToolFailed` if it is not a regular file of at most `maxBytes`
 */
export async function appendInside(scope: Scope, path: string, content: string, maxBytes: number): Promise<Appended> {
  const { absolute } = await resolveInside(scope, path, { mustExist: false });
  return await queued(absolute, async () => {
    const { handle, relative, bytes } = await openInside(scope, path, maxBytes, { append: true });
    try {
      const continuesLine = bytes > 0 && (await lastByte(scope, path, maxBytes)) !== '\n'.charCodeAt(0);
      await handle.writeFile(content);
      await handle.sync();
      return { relative, bytes: (await handle.stat()).size, continuesLine };
    } finally {
      await handle.close();
    }
  });
}

async function lastByte(scope: Scope, path: string, maxBytes: number): Promise<number | undefined> {
  const { handle, bytes } = await openInside(scope, path, maxBytes);
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, bytes - 1));
    return buffer[0];
  } finally {
    await handle.close();
  }
}

function isSame(before: BigIntStats, now: BigIntStats | undefined): boolean {
  return (
    now !== undefined &&
    now.dev === before.dev &&
    now.ino === before.ino &&
    now.size === before.size &&
    now.mtimeNs === before.mtimeNs
  );
}

async function queued<T>(key: string, action: () => Promise<T>): Promise<T> {
  const before = queues.get(key) ?? Promise.resolve();
  const mine = before.then(action, action);
  queues.set(key, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(key) === mine) queues.delete(key);
  }
}
