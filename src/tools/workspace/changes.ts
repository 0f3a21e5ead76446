/** Edits and appends. Changes to the same file run one after another, so that none is lost. */
import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import { refusal, shown } from '../refusal.ts';
import { contentOf, openInside, readInside, writeInside } from './content.ts';
import { type Place, resolveInside, type Scope } from './paths.ts';

/** The last queued change of each file, by path. */
const queues = new Map<string, Promise<unknown>>();

/** A change of a file, by which one can see later whether it took place. */
export const FileChange = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('replaced'), path: z.string(), before: z.string(), after: z.string() }),
  z.object({ kind: z.literal('appended'), path: z.string(), offset: z.int(), bytes: z.int(), digest: z.string() }),
]);
export type FileChange = z.infer<typeof FileChange>;

/** Called right before a file is changed. If it throws, nothing changes. */
type Announce = (change: FileChange, bytes: number) => Promise<void>;

/**
 * Replaces a file atomically by what `change` makes of its content.
 * @throws CopilotError `ToolFailed` if it is not a regular file of at most `maxBytes`, or if another program changed it
 * meanwhile; what `change` throws
 */
export async function updateInside(
  scope: Scope,
  path: string,
  maxBytes: number,
  change: (content: Buffer) => string,
  announce: Announce,
): Promise<Place> {
  const { absolute } = await resolveInside(scope, path);
  return await queued(absolute, async () => {
    const file = await openInside(scope, path, maxBytes);
    const changedMeanwhile = (): Error =>
      refusal(scope, `${shown(path)} was changed by another program meanwhile. Read it again, then repeat the edit.`);
    try {
      const before = await file.handle.stat({ bigint: true });
      if (Number(before.size) !== file.bytes) throw changedMeanwhile();
      const old = await contentOf(file);
      const content = change(old);
      await announce(
        { kind: 'replaced', path: file.relative, before: digestOf(old), after: digestOf(content) },
        Buffer.byteLength(content),
      );
      // While the handle is open, no new file can get the inode number of the old one.
      return await writeInside(scope, path, content, (target) => {
        if (!isSame(before, lstatSync(target, { bigint: true, throwIfNoEntry: false }))) throw changedMeanwhile();
      });
    } finally {
      await file.handle.close();
    }
  });
}

/** How much of a file tells its line ends. */
const TAIL_BYTES = 64 * 1024;
const LONE_LINE_FEED = /(?<!\r)\n/;

export interface Appended {
  /** Relative to the workspace. */
  readonly relative: string;
  /** Number of bytes added. */
  readonly added: number;
  /** Size of the whole file now. */
  readonly bytes: number;
  /** Whether the file had content that did not end with a line break. */
  readonly continuesLine: boolean;
}

/**
 * Appends text to a file, with the line ends that the file has. Missing files and folders are created.
 * @throws CopilotError `ToolFailed` if it is not a regular file of at most `maxBytes`
 */
export async function appendInside(
  scope: Scope,
  path: string,
  content: string,
  maxBytes: number,
  announce: (change: FileChange, appended: Appended) => Promise<void>,
): Promise<Appended> {
  const { absolute } = await resolveInside(scope, path, { mustExist: false });
  return await queued(absolute, async () => {
    const { handle, relative, bytes } = await openInside(scope, path, maxBytes, { append: true });
    try {
      const { endsLine, hasReturns } = await readTail(scope, path, maxBytes);
      const continuesLine = !endsLine;
      // Models write line ends as \n. In a file that uses only \r\n they mean \r\n.
      const text = hasReturns ? content.replaceAll(new RegExp(LONE_LINE_FEED, 'g'), '\r\n') : content;
      const added = Buffer.byteLength(text);
      const appended = { relative, added, bytes: bytes + added, continuesLine };
      const change = { path: relative, offset: bytes, bytes: added, digest: digestOf(text) };
      await announce({ kind: 'appended', ...change }, appended);
      await handle.writeFile(text);
      await handle.sync();
      return appended;
    } finally {
      await handle.close();
    }
  });
}

/**
 * Whether an announced change took place, as far as the file shows it.
 * @param others what other calls announced: one that was about to append at the same place may have written what is there
 */
export async function settleChange(
  scope: Scope,
  change: FileChange,
  maxBytes: number,
  others: readonly Json[],
): Promise<'done' | 'not-done' | 'unknown'> {
  const content = await readInside(scope, change.path, maxBytes).then(
    (file) => file.content,
    (error: unknown) => (error instanceof CopilotError ? undefined : Promise.reject(error)),
  );
  if (content === undefined) return 'unknown';
  if (change.kind === 'replaced') {
    const now = digestOf(content);
    return now === change.after ? 'done' : now === change.before ? 'not-done' : 'unknown';
  }
  const { path, offset, bytes, digest } = change;
  if (content.length === offset) return 'not-done';
  if (others.some((other) => isAppendAt(other, path, offset))) return 'unknown';
  return digestOf(content.subarray(offset, offset + bytes)) === digest ? 'done' : 'unknown';
}

function isAppendAt(trace: Json, path: string, offset: number): boolean {
  const { data } = FileChange.safeParse(trace);
  return data?.kind === 'appended' && data.path === path && data.offset === offset;
}

function digestOf(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

interface Tail {
  readonly endsLine: boolean;
  /** Whether its lines end with \r\n and never with \n alone. */
  readonly hasReturns: boolean;
}

async function readTail(scope: Scope, path: string, maxBytes: number): Promise<Tail> {
  const { handle, bytes } = await openInside(scope, path, maxBytes);
  try {
    const length = Math.min(bytes, TAIL_BYTES);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, bytes - length);
    // The first character may be half of a line end.
    const text = buffer.toString('latin1', length < bytes ? 1 : 0);
    return {
      endsLine: bytes === 0 || text.endsWith('\n'),
      hasReturns: text.includes('\r\n') && !LONE_LINE_FEED.test(text),
    };
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
