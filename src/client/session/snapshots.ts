/** Snapshots of the context by what callers call them. */
import type { ContextDiff, ContextPoint, SnapshotInfo, SnapshotRef } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import type { ServerLink } from '../connection.ts';
import { ask } from '../reading.ts';

/** Snapshots that an error message names. */
const MAX_NAMED = 10;

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
    if (error instanceof CopilotError) throw error;
    // The SDK keeps the message of a query that failed, and not its type.
    const { version } = await ask(link, sessionId, messages.context, [], options);
    const snapshots = await ask(link, sessionId, messages.snapshots, [], options);
    for (const point of points) if (point !== 'present' && point !== version) findSnapshot(snapshots, point);
    throw error;
  }
}
