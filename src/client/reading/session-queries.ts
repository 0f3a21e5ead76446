/** Reads a session: what the server knows about it, and what a worker answers from memory. */
import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import type { QueryDefinition } from '@temporalio/common';
import { isNotReady, isOverloaded, isTimeout } from '../../connection/grpc-errors.ts';
import { retry } from '../../connection/retry.ts';
import { ABSENCE_MS, type CallOptions, type ServerLink } from '../../connection/server-link.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { copilotStatus, copilotUser } from '../../contracts/search-attributes.ts';
import type { SessionInfo, SessionResult, SessionStatus } from '../../contracts/session.ts';
import { type OutsideAct, readOutsideActs } from './outside-acts.ts';
import { findTaskFailure, type PendingCall, readPendingCalls } from './pending-calls.ts';

/** If the session's worker was killed, a query waits 4 s for it before another worker gets it, and then for a replay. */
const QUERY_TIMEOUT_MS = 8_000;
/** How long to retry if the server knows of a worker, which may just be busy. */
const BUSY_TIMEOUT_MS = 20_000;
/** The server waits up to a second between the starts of two runs, so a run after a short one may not be ready. */
const NOT_READY_PAUSE_MS = 50;

/** The status of a session, or how it was ended from outside: `terminated` or `failed`. */
export type ListedStatus = SessionStatus | 'terminated' | 'failed';

/** Everything about a session except its conversation. */
export interface SessionReport extends Omit<SessionInfo, 'status'> {
  readonly status: ListedStatus;
  /** Model and tool calls that are running or being retried, for example while a model API is down. */
  readonly pendingCalls: readonly PendingCall[];
  /** What operators, schedules or the Web UI did to its workflow, and what to do about it. */
  readonly outsideActs: readonly OutsideAct[];
  /** ISO time when the session expires if nobody uses it. Null while it is busy or suspended, or if it never expires. */
  readonly expiresAt: string | null;
}

/** What the server knows about a session without a worker. */
export interface SessionDescription {
  /** Whether the session has ended. */
  readonly isClosed: boolean;
  /** Undefined while the session is open; then only the session itself knows its status. */
  readonly status: ListedStatus | undefined;
  /** Owner of the session. */
  readonly user: string | null;
  /** Run of the workflow. */
  readonly runId: string;
  /** Events in the history of this run. */
  readonly historyLength: number;
  /** Model and tool calls that are running or being retried. */
  readonly pendingCalls: readonly PendingCall[];
  /** Resets, and how the workflow was ended from outside. Empty for a session that nobody touched. */
  readonly outsideActs: readonly OutsideAct[];
}

/** @throws CopilotError `SessionNotFound`, `ServerUnreachable` */
export async function describeSession(
  link: ServerLink,
  sessionId: string,
  options: CallOptions = {},
): Promise<SessionDescription> {
  let description: WorkflowExecutionDescription;
  let outsideActs: readonly OutsideAct[];
  try {
    description = await link.call(() => link.client.workflow.getHandle(sessionId).describe(), options);
    outsideActs = await readOutsideActs(link, description);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
  const status = closedStatus(description.status.name, description.typedSearchAttributes.get(copilotStatus));
  const { runId, historyLength, raw, typedSearchAttributes } = description;
  const user = typedSearchAttributes.get(copilotUser) ?? null;
  const pendingCalls = await readPendingCalls(link, sessionId, raw.pendingActivities);
  return { isClosed: status !== undefined, status, user, runId, historyLength, pendingCalls, outsideActs };
}

/**
 * The status of a session whose workflow has ended, or undefined if it is open.
 * @param listed the session's own status in its search attribute
 */
export function closedStatus(name: WorkflowExecutionStatusName, listed: string | undefined): ListedStatus | undefined {
  switch (name) {
    case 'COMPLETED':
    case 'CANCELLED':
      return listed === 'expired' ? 'expired' : 'completed';
    case 'TERMINATED':
      return 'terminated';
    case 'FAILED':
    case 'TIMED_OUT':
      return 'failed';
    default:
      return undefined;
  }
}

/** The result of a completed or expired session. @throws CopilotError `SessionNotFound`, `ServerUnreachable` */
export async function readResult(
  link: ServerLink,
  sessionId: string,
  options: CallOptions = {},
): Promise<SessionResult> {
  try {
    return await link.call(() => link.client.workflow.getHandle(sessionId).result() as Promise<SessionResult>, options); // its workflow's type
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
}

export interface QueryOptions {
  /** Default: the latest run. */
  readonly runId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Queries a session. Nothing is written to its history.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`; `SessionStuck` if the workers fail at this
 *   session, for example because the payload store is full
 */
export async function querySession<Result, Args extends [unknown?, unknown?]>(
  link: ServerLink,
  sessionId: string,
  query: QueryDefinition<Result, Args>,
  args: Args,
  { runId, signal }: QueryOptions = {},
): Promise<Result> {
  const handle = link.client.workflow.getHandle(sessionId, runId);
  const startedAt = Date.now();
  const isWithin = (timeMs: number): boolean => Date.now() < startedAt + timeMs;
  return await retry(
    () => link.call(() => handle.query<Result, Args>(query, ...args), { timeoutMs: QUERY_TIMEOUT_MS, signal }),
    {
      firstPauseMs: NOT_READY_PAUSE_MS,
      maxPauseMs: NOT_READY_PAUSE_MS,
      signal,
      onFailure: async (error) => {
        if ((isTimeout(error) || isOverloaded(error)) && isWithin(await patienceMs(link, sessionId))) return;
        if (!isNotReady(error) || !isWithin(QUERY_TIMEOUT_MS)) throw await explainUnanswered(link, sessionId, error);
      },
    },
  );
}

/** How long to retry a query that timed out. Workers that failed at this session would fail again. */
async function patienceMs(link: ServerLink, sessionId: string): Promise<number> {
  switch (await link.health()) {
    case 'no-server':
      return 0;
    case 'no-worker':
      return ABSENCE_MS;
    case 'ok':
      return (await findTaskFailure(link, sessionId)) === undefined ? BUSY_TIMEOUT_MS : 0;
  }
}

async function explainUnanswered(link: ServerLink, sessionId: string, error: unknown): Promise<Error> {
  const explained = await link.explain(error, sessionId);
  const isUnanswered = explained instanceof CopilotError && explained.type === 'NoWorker';
  return (isUnanswered ? await findTaskFailure(link, sessionId) : undefined) ?? explained;
}
