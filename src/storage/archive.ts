/**
 * The archive folder. It keeps the export of each closed session, from which `import` makes a new session, and the
 * originals of summarised messages.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import type { SessionExport } from '../contracts/export.ts';
import type { Segment } from '../contracts/session.ts';
import { Message } from '../contracts/transcript.ts';
import { PART, writeAtomically } from './atomic-file.ts';

/** Files are readable by the worker's user only. */
const FILE_MODE = 0o600;

/** Name of the export of a session. */
export const archivedName = (sessionId: string): string => `${sessionId}.json`;

/** Paths of everything that the archive has of a session. */
function archivePaths(archiveDir: string, sessionId: string): { exported: string; segments: string } {
  return {
    exported: join(archiveDir, archivedName(sessionId)),
    segments: join(archiveDir, 'segments', sessionId),
  };
}

/**
 * Archives a session's export together with the originals of its summarised messages.
 * @throws CopilotError `ArchiveUnavailable` if the file system refuses
 */
export async function archiveExport(archiveDir: string, sessionId: string, file: SessionExport): Promise<void> {
  const { exported, segments } = archivePaths(archiveDir, sessionId);
  await orUnavailable(archiveDir, async () => {
    const earlier = await readEarlier(segments, file);
    const content = earlier.length === 0 ? file : { ...file, earlier };
    await removeParts(exported);
    await writeAtomically(exported, `${JSON.stringify(content, undefined, 2)}\n`, { mode: FILE_MODE });
  });
}

/**
 * Archives messages that a summary will replace. The same messages give the same file.
 * @throws CopilotError `ArchiveUnavailable` if the file system refuses
 */
export async function archiveMessages(
  archiveDir: string,
  sessionId: string,
  messages: readonly Message[],
): Promise<Segment> {
  const content = `${JSON.stringify(messages)}\n`;
  const hash = createHash('sha256').update(content).digest('hex');
  const path = join(archivePaths(archiveDir, sessionId).segments, `${hash}.json`);
  await orUnavailable(archiveDir, async () => {
    await removeParts(path);
    await writeAtomically(path, content, { mode: FILE_MODE });
  });
  return { hash, messages: messages.length, bytes: Buffer.byteLength(content) };
}

/** The messages that the conversation's first message summarises, as far back as their files exist. */
async function readEarlier(folder: string, { conversation, segments }: SessionExport): Promise<readonly Message[]> {
  let earlier: readonly Message[] = [];
  for (const { hash, messages: count } of segments.toReversed()) {
    const summary = earlier[0] ?? conversation[0];
    // Otherwise older messages were left out without a file, or an import replaced the conversation.
    if (summary?.role !== 'user' || summary.kind !== 'summary' || summary.replaces !== count) break;
    const messages = await readMessages(join(folder, `${hash}.json`));
    if (!messages) break;
    earlier = [...messages, ...earlier.slice(1)];
  }
  return earlier;
}

async function readMessages(path: string): Promise<Message[] | undefined> {
  try {
    return z.array(Message).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // Without the file, or with one that is damaged, the export has fewer originals, and that is all.
    if (!isSystemError(error) || error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Removes what a worker left that was killed while it wrote this file. */
async function removeParts(path: string): Promise<void> {
  const names = await readdir(dirname(path)).catch(() => []);
  const parts = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(PART));
  await Promise.all(parts.map((name) => rm(join(dirname(path), name), { force: true })));
}

async function orUnavailable(place: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new CopilotError('ArchiveUnavailable', { place, problem: cause.message }, { cause });
  }
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'syscall' in error;

/**
 * Removes everything that the archive has of a session.
 * @throws CopilotError `ArchiveUnavailable` if the file system refuses
 */
export async function removeArchived(archiveDir: string, sessionId: string): Promise<void> {
  const { exported, segments } = archivePaths(archiveDir, sessionId);
  await orUnavailable(archiveDir, async () => {
    await removeParts(exported);
    await Promise.all([exported, segments].map((path) => rm(path, { recursive: true, force: true })));
  });
}
