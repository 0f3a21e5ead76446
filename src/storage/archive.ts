/**
 * The archive. It keeps the export of each closed session, from which `import` makes a new session, and the originals of
 * summarised messages. Every function throws CopilotError `ArchiveUnavailable` if its store does not work now.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import type { SessionExport } from '../contracts/export.ts';
import type { Segment } from '../contracts/session.ts';
import { Message } from '../contracts/transcript.ts';
import type { ObjectStore } from './stores/object-store.ts';

/** Key of the export of a session. */
export const archivedName = (sessionId: string): string => `${sessionId}.json`;

const segmentsOf = (sessionId: string): string => `segments/${sessionId}/`;

/** Archives a session's export together with the originals of its summarised messages. */
export async function archiveExport(store: ObjectStore, sessionId: string, file: SessionExport): Promise<void> {
  const earlier = await readEarlier(store, sessionId, file);
  const content = earlier.length === 0 ? file : { ...file, earlier };
  await put(store, archivedName(sessionId), `${JSON.stringify(content, undefined, 2)}\n`);
}

/** The export of a session as it was archived. Undefined if it was not. */
export async function readArchived(store: ObjectStore, sessionId: string): Promise<Uint8Array | undefined> {
  return await orUnavailable(store, () => store.get(archivedName(sessionId)));
}

/** Archives messages that a summary will replace. The same messages give the same file. */
export async function archiveMessages(
  store: ObjectStore,
  sessionId: string,
  messages: readonly Message[],
): Promise<Segment> {
  const content = `${JSON.stringify(messages)}\n`;
  const hash = createHash('sha256').update(content).digest('hex');
  await put(store, `${segmentsOf(sessionId)}${hash}.json`, content);
  return { hash, messages: messages.length, bytes: Buffer.byteLength(content) };
}

/** Removes everything that the archive has of a session. */
export async function removeArchived(store: ObjectStore, sessionId: string): Promise<void> {
  await orUnavailable(store, () => store.remove(archivedName(sessionId)));
  await orUnavailable(store, () => store.removeAll(segmentsOf(sessionId)));
}

async function put(store: ObjectStore, key: string, content: string): Promise<void> {
  await orUnavailable(store, () => store.put(key, Buffer.from(content)));
}

/** The messages that the conversation's first message summarises, as far back as their files exist. */
async function readEarlier(
  store: ObjectStore,
  sessionId: string,
  { conversation, segments }: SessionExport,
): Promise<readonly Message[]> {
  let earlier: readonly Message[] = [];
  for (const { hash, messages: count } of segments.toReversed()) {
    const summary = earlier[0] ?? conversation[0];
    // Otherwise older messages were left out without a file, or an import replaced the conversation.
    if (summary?.role !== 'user' || summary.kind !== 'summary' || summary.replaces !== count) break;
    const messages = readMessages(await orUnavailable(store, () => store.get(`${segmentsOf(sessionId)}${hash}.json`)));
    if (!messages) break;
    earlier = [...messages, ...earlier.slice(1)];
  }
  return earlier;
}

/** Without the file, or with one that is damaged, the export has fewer originals, and that is all. */
function readMessages(content: Uint8Array | undefined): Message[] | undefined {
  try {
    return content && z.array(Message).parse(JSON.parse(Buffer.from(content).toString()));
  } catch {
    return undefined;
  }
}

async function orUnavailable<T>({ place }: ObjectStore, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new CopilotError('ArchiveUnavailable', { place, problem }, { cause });
  }
}
