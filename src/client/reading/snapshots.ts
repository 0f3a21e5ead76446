/** Finds snapshots of the context by the references that callers use. */
import { QueryNotRegisteredError } from '@temporalio/client';
import type { ServerLink } from '../../connection/server-link.ts';
import type { ContextDiff, ContextPoint, Snapshot, SnapshotInfo, SnapshotRef } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import { querySession } from './session-queries.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

/** Snapshots that an error message names. */
const MAX_NAMED = 10;

/** @throws CopilotError `SnapshotNotFound` that names the existing ones */
export function findSnapshot<Info extends SnapshotInfo>(snapshots: readonly Info[], wanted: SnapshotRef): Info {
  const found = snapshots.findLast(({ id, version }) => wanted === 'latest' || wanted === id || wanted === version);
  if (found) return found;
  const known = snapshots.slice(-MAX_NAMED).map(({ id, version }) => `${id} (version ${version})`);
  const older = snapshots.length > MAX_NAMED ? `${snapshots.length - MAX_NAMED} older ones, ` : '';
  throw new CopilotError('SnapshotNotFound', {
    wanted: typeof wanted === 'number' ? `of version ${wanted}` : `"${beginningOf(wanted, 60)}"`,
    known: `${older}${known.join(', ') || 'none yet'}`,
  });
}

/** @throws CopilotError `SnapshotNotFound`, `SessionNotFound`, `NoWorker`, `ServerUnreachable` */
export async function querySnapshot(
  link: ServerLink,
  sessionId: string,
  wanted: SnapshotRef,
  options: { signal?: AbortSignal },
): Promise<Snapshot> {
  try {
    return await querySession(link, sessionId, messages.snapshot, [wanted], options);
  } catch (error) {
    if (isRefusedQuery(error)) {
      findSnapshot(await querySession(link, sessionId, messages.snapshots, [], options), wanted);
    }
    throw error;
  }
}

/** @throws CopilotError `SnapshotNotFound`, `SessionNotFound`, `NoWorker`, `ServerUnreachable` */
export async function queryContextDiff(
  link: ServerLink,
  sessionId: string,
  points: [from: ContextPoint, to: ContextPoint],
  options: { signal?: AbortSignal },
): Promise<ContextDiff> {
  try {
    return await querySession(link, sessionId, messages.contextDiff, points, options);
  } catch (error) {
    if (isRefusedQuery(error)) await checkPoints(link, sessionId, points, options);
    throw error;
  }
}

function isRefusedQuery(error: unknown): boolean {
  // With encryption, the refusal is the cause of an error that guesses at the keys.
  const cause = error instanceof CopilotError ? error.cause : error;
  return cause instanceof QueryNotRegisteredError;
}

/** The server passes on only the message of a failed query, so the missing snapshot is looked for here. */
async function checkPoints(
  link: ServerLink,
  sessionId: string,
  points: readonly ContextPoint[],
  options: { signal?: AbortSignal },
): Promise<void> {
  const snapshots = await querySession(link, sessionId, messages.snapshots, [], options);
  const { version } = await querySession(link, sessionId, messages.context, [], options);
  for (const point of points) if (point !== 'present' && point !== version) findSnapshot(snapshots, point);
}
