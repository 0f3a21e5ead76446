/** Creates a session from any point of another one, open or closed. */
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import type { SessionExport } from '../../contracts/export.ts';
import { exportSession } from '../../contracts/messages.ts';
import { RestoreContextPayload } from '../../contracts/payloads.ts';
import { Label, SessionConfig, SessionId } from '../../contracts/session.ts';
import { isSettled } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { newSessionId } from './session-start.ts';
import { checkInput } from '../checked-input.ts';
import { querySession, describeSession } from '../reading/session-queries.ts';
import { contextAt } from './context-at.ts';
import { wholeExport } from '../reading/whole-conversation.ts';
import { nameOf, startFrom } from './import-session.ts';
import { runsOf } from '../reading/session-runs.ts';
import { findSnapshot } from '../reading/snapshots.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

const MAX_NAME = 200;
/** Turns that an error message names. */
const MAX_NAMED = 20;

/** Where a fork begins, and how it differs from the old session. */
export const ForkOptions = z.strictObject({
  /** Number of the last turn that the fork knows. Default: that of the snapshot, else the latest. */
  turn: z.int().min(1).optional(),
  /** Snapshot to restore the context from: its id, its version, or `latest`. Default: the newest of the turn. */
  snapshot: RestoreContextPayload.shape.snapshot.optional(),
  /** Id of the new session. Default a new one. */
  id: SessionId.optional(),
  /** Title. Default the old one and `(fork)`. */
  name: Label.optional(),
  /** Settings that differ from those of the old session. */
  config: SessionConfig.optional(),
});
export type ForkOptions = z.input<typeof ForkOptions>;

type SnapshotInfo = SessionExport['context']['snapshots'][number];

/**
 * The fork has the conversation, turns and context of that point. Its workspace is new and empty, and its usage is zero.
 * @returns the id of the new session
 * @throws CopilotError `InvalidInput` if there is no such turn, `SnapshotNotFound`, `SessionNotFound`, `SessionExists`,
 *   `NoWorker`, `ServerUnreachable`
 */
export async function forkSession(link: ServerLink, sessionId: string, given: ForkOptions): Promise<string> {
  const options = checkInput(ForkOptions, given, '');
  const { runId } = await describeSession(link, sessionId);
  const latest = await wholeExport(link, sessionId, { runId });
  const from = await findPoint(link, latest, runId, options);
  const { session } = from;
  const id = options.id ?? newSessionId();
  await startFrom(link, id, from, {
    name: options.name ?? `${beginningOf(nameOf(link, from), MAX_NAME - ' (fork)'.length)} (fork)`,
    user: session.user ?? undefined,
    config: { ...session.config, ...options.config },
  });
  return id;
}

/** The session as of the point where the fork begins. */
async function findPoint(
  link: ServerLink,
  latest: SessionExport,
  runId: string,
  { turn, snapshot }: ForkOptions,
): Promise<SessionExport> {
  const named = snapshot === undefined ? undefined : findSnapshot(latest.context.snapshots, snapshot);
  const until = turn ?? (named === undefined ? undefined : turnOf(latest, named));
  if (until === undefined) return { ...latest, context: contextOf(latest, named), usage: {} };
  if (isWhole(latest, until)) return cutAtTurn(latest, until, named);
  // The messages of that time have left the live conversation, or its snapshots were dropped. Older runs still have them.
  let best = latest;
  for await (const run of runsOf(link, latest.session.id, runId)) {
    if (run.runId === runId) continue;
    const earlier = await querySession(link, latest.session.id, exportSession, [], { runId: run.runId });
    if (earlier.session.turnCount < until) break;
    if (rank(earlier, until) >= rank(best, until)) best = earlier;
    if (isWhole(earlier, until)) break;
  }
  // A snapshot that was named by the caller is in the latest export.
  if (named !== undefined) best = { ...best, context: latest.context };
  return cutAtTurn(best, until, named);
}

/** The part of a session up to and including this turn. @throws CopilotError `InvalidInput` if there is no such turn */
export function cutAtTurn(from: SessionExport, until: number, named?: SnapshotInfo): SessionExport {
  const { session, context } = from;
  const turns = from.turns.filter(({ number }) => number > 0 && number <= until);
  if (!knows(from, until)) throw noSuchTurn(from, until);
  const end = from.conversation.findIndex((message) => (turnNumber(message) ?? 0) > until);
  const isRewound = until < session.turnCount;
  const snapshot = named ?? (isRewound ? snapshotOf(from, until) : undefined);
  if (isRewound && snapshot === undefined && context.version > 0) {
    const problem = 'no snapshot of the context at that time is left; name a snapshot, or a later turn';
    throw new CopilotError('InvalidInput', { what: `turn (${until})`, problem });
  }
  const { ratings, earlier = [] } = from;
  return {
    ...from,
    // They are files of the old session, which deletes them with itself.
    segments: [],
    ratings: ratings.filter(({ turnId }) => !isRewound || turns.some(({ id }) => id === turnId)),
    earlier: earlier.filter((message) => (turnNumber(message) ?? 0) <= until),
    session: { ...session, turnCount: until, ...(isRewound ? { saved: null } : {}) },
    conversation: end < 0 ? from.conversation : from.conversation.slice(0, end),
    turns,
    context: withoutMomentsAfter(contextOf(from, snapshot), until),
    usage: {},
  };
}

function contextOf({ context }: SessionExport, snapshot: SnapshotInfo | undefined): SessionExport['context'] {
  return snapshot === undefined ? context : contextAt(context, snapshot.id);
}

function withoutMomentsAfter(context: SessionExport['context'], until: number): SessionExport['context'] {
  const snapshots = context.snapshots.map(({ also, ...snapshot }) =>
    also === undefined ? snapshot : { ...snapshot, also: also.filter(({ turn }) => turn <= until) },
  );
  return { ...context, snapshots };
}

/** Whether this turn has ended and its messages are still there. */
function knows({ conversation, turns }: SessionExport, until: number): boolean {
  if (until === 0) return true;
  const view = turns.find(({ number }) => number === until);
  if (view && (!isSettled(view.status) || view.status === 'suspended')) return false;
  return conversation.some((message) => turnNumber(message) === until);
}

/** Whether all messages up to this turn, and a context of its time, are there. */
function isWhole(from: SessionExport, until: number): boolean {
  const first = from.conversation[0];
  const isComplete = until === 0 || (first !== undefined && turnNumber(first) === 1);
  const hasContext = until >= from.session.turnCount || snapshotOf(from, until) !== undefined;
  return isComplete && hasContext && knows(from, until);
}

/** How much is known of the time up to this turn. */
function rank(from: SessionExport, until: number): number {
  if (!knows(from, until)) return 0;
  const known = from.conversation.filter((message) => (turnNumber(message) ?? until) <= until).length;
  return known + (until >= from.session.turnCount || snapshotOf(from, until) !== undefined ? 1_000_000 : 0);
}

/** The newest snapshot of the time up to this turn. */
function snapshotOf({ context }: SessionExport, until: number): SnapshotInfo | undefined {
  return context.snapshots.findLast((snapshot) => (metadataTurn(snapshot) ?? Number.POSITIVE_INFINITY) <= until);
}

/**
 * Last turn that had ended when the snapshot was taken: its own, unless a phase of that went on, then the one before.
 * Undefined if the snapshot does not say so, and 0 if no turn had ended.
 */
function turnOf(from: SessionExport, snapshot: SnapshotInfo): number | undefined {
  const { kind, also = [] } = snapshot;
  // A snapshot of phases shows the latest of its moments too; that of a person the moment at which it was taken.
  const turn = (kind === 'manual' ? undefined : also.at(-1)?.turn) ?? metadataTurn(snapshot);
  if (turn === undefined) return undefined;
  const { snapshots } = from.context;
  const later = snapshots.slice(snapshots.indexOf(snapshot) + 1);
  const wentOn =
    later.some((other) => metadataTurn(other) === turn && other.kind !== 'manual') ||
    (kind === 'manual' && also.some((moment) => moment.turn === turn));
  const isRunning = turn === from.session.turnCount && !knows(from, turn);
  return wentOn || isRunning ? Math.max(0, turn - 1) : turn;
}

function noSuchTurn(from: SessionExport, until: number): CopilotError {
  const said = from.conversation.map((message) => turnNumber(message) ?? 0);
  const known = [...new Set(said)].filter((turn) => turn > 0 && knows(from, turn)).sort((a, b) => a - b);
  const names = `${known.length > MAX_NAMED ? '…, ' : ''}${known.slice(-MAX_NAMED).join(', ')}`;
  const problem =
    known.length === 0 ? 'no turn of this session has ended yet' : `turns that can be forked at: ${names}`;
  return new CopilotError('InvalidInput', { what: `turn (${until})`, problem });
}

function metadataTurn({ metadata }: SnapshotInfo): number | undefined {
  const { turn } = metadata;
  return typeof turn === 'number' ? turn : undefined;
}

function turnNumber(message: SessionExport['conversation'][number]): number | undefined {
  return message.role === 'tool' ? undefined : message.turn;
}
