/** What the server itself knows of a session, without asking a worker. */
import type { WorkflowExecutionDescription, WorkflowExecutionStatusName } from '@temporalio/client';
import type { SessionInfo, SessionResult, SessionStatus } from '../contracts/session.ts';
import type { CallOptions, ServerLink } from './connection.ts';

/** A session's own status, or how it was ended from outside. */
export type ListedStatus = SessionStatus | 'terminated' | 'failed';

/** `info` as readers get it. */
export interface SessionReport extends Omit<SessionInfo, 'status'> {
  readonly status: ListedStatus;
}

export interface SessionDescription {
  /** Whether the session takes nothing any more. */
  readonly isClosed: boolean;
  /** Undefined while it is open: then the session itself knows best. */
  readonly status: ListedStatus | undefined;
  readonly runId: string;
}

/** @throws CopilotError `SessionNotFound`, `ServerUnreachable` */
export async function describeSession(link: ServerLink, sessionId: string, options: CallOptions = {}): Promise<SessionDescription> {
  let description: WorkflowExecutionDescription;
  try {
    description = await link.call(() => link.client.workflow.getHandle(sessionId).describe(), options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
  const status = closedStatus(description.status.name);
  return { isClosed: status !== undefined, status, runId: description.runId };
}

/** The status of a session whose workflow has ended so, or undefined where it goes on. */
export function closedStatus(name: WorkflowExecutionStatusName): ListedStatus | undefined {
  switch (name) {
    case 'COMPLETED':
    case 'CANCELLED':
      return 'completed';
    case 'TERMINATED':
      return 'terminated';
    case 'FAILED':
    case 'TIMED_OUT':
      return 'failed';
    default:
      return undefined;
  }
}

/** What a completed session left behind. */
export async function readResult(link: ServerLink, sessionId: string, options: CallOptions = {}): Promise<SessionResult> {
  try {
    return await link.call(() => link.client.workflow.getHandle(sessionId).result() as Promise<SessionResult>, options); // its workflow's type
  } catch (error) {
    options.signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
}

