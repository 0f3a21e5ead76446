/** Reading a session: what the server itself knows of it, and what a worker answers from memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import type { QueryDefinition } from '@temporalio/common';
import { CopilotError } from '../../contracts/errors.ts';
import type { SessionInfo, SessionResult, SessionStatus } from '../../contracts/session.ts';
import { copilotStatus } from '../../contracts/search-attributes.ts';
import { ABSENCE_MS, type CallOptions, isTimeout, reasonOf, type ServerLink } from '../../connection/server-link.ts';
import { type PendingCall, pendingCalls, whyStuck } from './pending-calls.ts';

/** Where its worker was killed, a query waits 4 s for that worker before another gets it, and then for a replay. */
const QUERY_TIMEOUT_MS = 8_000;
/** The same where the server knows of a worker, which may just have much to do. */
const BUSY_TIMEOUT_MS = 20_000;
/**
 * How often a run is asked that has not begun: a server lets a second pass between the begins of two runs, so that one
 * that continues a short one may have to wait.
 */
const NOT_BEGUN_PAUSE_MS = 50;

/** A session's own status, or how it was ended from outside. */
export type ListedStatus = SessionStatus | 'terminated' | 'failed';

/** `info` as readers get it. */
export interface SessionReport extends Omit<SessionInfo, 'status'> {
  readonly status: ListedStatus;
  /** Calls of models and tools that run or are tried again, such as while a model API is away. */
  readonly pendingCalls: readonly PendingCall[];
}

export interface SessionDescription {
  /** Whether the session takes nothing any more. */
  readonly isClosed: boolean;
  /** Undefined while it is open: then the session itself knows best. */
  readonly status: ListedStatus | undefined;
  /** Run of the workflow, and events in its history. */
  readonly runId: string;
  readonly historyLength: number;
  readonly pendingCalls: readonly PendingCall[];
}

/** @throws CopilotError `SessionNotFound`, `ServerUnreachable` */
export async function describeSession(
  link: ServerLink,
  sessionId: string,
  options: CallOptions = {},
): Promise<SessionDescription> {
  let description: WorkflowExecutionDescription;
  try {
    description = await link.call(() => link.client.workflow.getHandle(sessionId).describe(), options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
  const status = closedStatus(description.status.name, description.typedSearchAttributes.get(copilotStatus));
  const { runId, historyLength, raw } = description;
  const calls = await pendingCalls(link, sessionId, raw.pendingActivities);
  return { isClosed: status !== undefined, status, runId, historyLength, pendingCalls: calls };
}

/**
 * The status of a session whose workflow has ended so, or undefined where it goes on.
 * @param listed what the session listed itself as
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

/** What a completed or expired session left behind. */
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

export interface QuestionOptions {
  /** Default: the latest run. */
  readonly runId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Queries a session: nothing is written.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`; `SessionStuck` if its workers
 *   fail at it, as with a payload store that is full
 */
export async function ask<Result, Args extends [unknown?, unknown?]>(
  link: ServerLink,
  sessionId: string,
  query: QueryDefinition<Result, Args>,
  args: Args,
  { runId, signal }: QuestionOptions = {},
): Promise<Result> {
  const handle = link.client.workflow.getHandle(sessionId, runId);
  const startedAt = Date.now();
  const isWithin = (timeMs: number): boolean => Date.now() < startedAt + timeMs;
  for (;;) {
    try {
      return await link.call(() => handle.query<Result, Args>(query, ...args), { timeoutMs: QUERY_TIMEOUT_MS, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (isTimeout(error) && isWithin(await patienceMs(link, sessionId))) continue;
      if (!hasNotBegun(error) || !isWithin(QUERY_TIMEOUT_MS)) throw await whyUnanswered(link, sessionId, error);
    }
    await sleep(NOT_BEGUN_PAUSE_MS, undefined, { ...(signal ? { signal } : {}) });
  }
}

/** How long to ask on. Workers that fail at this session do so the next time, too. */
async function patienceMs(link: ServerLink, sessionId: string): Promise<number> {
  switch (await link.health()) {
    case 'no-server':
      return 0;
    case 'no-worker':
      return ABSENCE_MS;
    case 'ok':
      return (await whyStuck(link, sessionId)) === undefined ? BUSY_TIMEOUT_MS : 0;
  }
}

async function whyUnanswered(link: ServerLink, sessionId: string, error: unknown): Promise<Error> {
  const explained = await link.explain(error, sessionId);
  const isUnanswered = explained instanceof CopilotError && explained.type === 'NoWorker';
  return (isUnanswered ? await whyStuck(link, sessionId) : undefined) ?? explained;
}

/** Whether the server has not yet given the run to any worker. */
function hasNotBegun(error: unknown): boolean {
  return reasonOf(error).startsWith('Workflow task is not scheduled yet');
}
