/** Snapshots of the context by what callers call them. */
import type { ContextDiff, ContextPoint, SnapshotInfo, SnapshotRef } from '../../contracts/context.ts';
import { CopilotError, ERRORS } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { ask } from './session-queries.ts';

/** Snapshots that an error message names. */
const MAX_NAMED = 10;
/** Stands where a message names a value. */
const MARK = '\u0000';

/** @throws CopilotError `SnapshotNotFound` with the ones that there are */
export function findSnapshot<Info extends SnapshotInfo>(snapshots: readonly Info[], wanted: SnapshotRef): Info {
  const found = snapshots.findLast(({ id, version }) => wanted === 'latest' || wanted === id || wanted === version);
  if (found) return found;
  const known = snapshots.slice(-MAX_NAMED).map(({ id, version }) => `${id} (version ${version})`);
  throw new CopilotError('SnapshotNotFound', {
    wanted: typeof wanted === 'number' ? `of version ${wanted}` : `"${wanted.slice(0, 60)}"`,
    known: `${snapshots.length > MAX_NAMED ? 'older ones, ' : ''}${known.join(', ') || 'none yet'}`,
  });
}

/** @throws CopilotError `SnapshotNotFound`, `SessionNotFound`, `NoWorker`, `ServerUnreachable` */
export async function contextDiff(
  link: ServerLink,
  sessionId: string,
  points: [from: ContextPoint, to: ContextPoint],
  options: { signal?: AbortSignal },
): Promise<ContextDiff> {
  try {
    return await ask(link, sessionId, messages.contextDiff, points, options);
  } catch (error) {
    throw snapshotNotFound(error) ?? error;
  }
}

/** Of a query that failed, the server passes on the message and not the type: this one is known by its words. */
export function snapshotNotFound(error: unknown): CopilotError | undefined {
  if (!(error instanceof Error) || error instanceof CopilotError) return undefined;
  const [before = '', between = '', after = ''] = ERRORS.SnapshotNotFound.message({ wanted: MARK, known: MARK }).split(
    MARK,
  );
  const { message } = error;
  const at = message.indexOf(between, before.length);
  if (!message.startsWith(before) || at < 0 || !message.endsWith(after)) return undefined;
  const wanted = message.slice(before.length, at);
  const known = message.slice(at + between.length, message.length - after.length);
  return new CopilotError('SnapshotNotFound', { wanted, known }, { cause: error });
}
