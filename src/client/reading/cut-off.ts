/**
 * What a session was doing when its workflow was ended from outside. The workflow could not end its turns itself, so its
 * last word is that they run. They are given as `complete` would have left them.
 */
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import type { SessionInfo } from '../../contracts/session.ts';
import type { TurnStatus, TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { describeSession, type ListedStatus, querySession } from './session-queries.ts';

/** The reason with which the server ends an open workflow that is deleted. */
export const DELETED = 'Delete workflow execution';

const ENDED: readonly TurnStatus[] = ['completed', 'failed', 'interrupted'];

/** Whether somebody or something ended the workflow, and not the session itself. */
export function isCutOff(status: ListedStatus | undefined): status is 'terminated' | 'failed' {
  return status === 'terminated' || status === 'failed';
}

/** A session that nobody can go on with does nothing and asks nothing. */
export function withoutWork(info: SessionInfo): SessionInfo {
  return { ...info, phase: 'idle', step: null, queueLength: 0, pendingApprovals: [] };
}

/**
 * The newest turns with a number of at least `from`, and the queued ones. Those that were cut off are interrupted.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`
 */
export async function readTurns(
  link: ServerLink,
  sessionId: string,
  { from, signal }: { readonly from: number; readonly signal: AbortSignal | undefined },
): Promise<readonly TurnView[]> {
  const read = async (): Promise<readonly TurnView[]> =>
    await querySession(link, sessionId, messages.turns, [from], { signal });
  const turns = await read();
  if (turns.every(({ status }) => ENDED.includes(status))) return turns;
  const { status, outsideActs } = await describeSession(link, sessionId, { signal });
  if (!isCutOff(status)) return turns;
  const { at, reason } = outsideActs.at(-1) ?? {};
  if (reason === DELETED) throw new CopilotError('SessionNotFound', { sessionId });
  // A turn may have ended after the first look.
  return (await read()).map((turn) => (ENDED.includes(turn.status) ? turn : interrupted(turn, at ?? undefined)));
}

function interrupted({ requests: _, ...turn }: TurnView, endedAt: string | undefined): TurnView {
  return { ...turn, status: 'interrupted', questions: [], ...(endedAt === undefined ? {} : { endedAt }) };
}
