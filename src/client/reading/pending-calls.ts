/** What keeps a session waiting, as the server knows it. No worker is asked. */
import type { temporal } from '@temporalio/proto';
import { TimeoutFailure } from '@temporalio/common';
import { milliseconds } from '../../connection/open-connection.ts';
import { decodeRawFailure } from '../../connection/raw-responses.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { CopilotError, fromFailure } from '../../contracts/errors.ts';

type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;
type Failure = temporal.api.failure.v1.IFailure;

/** `temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED` */
const STARTED = 2;
/** `temporal.api.enums.v1.EventType` */
const TASK_TIMED_OUT = 8;
const TASK_FAILED = 9;
const NO_HEARTBEAT = 'Its worker stopped sending heartbeats. It is retried automatically.';
/** The event of a failed task is among the last few. */
const LAST_EVENTS = 10;

/** A call of a model or a tool that is running, or waits for its next attempt. */
export interface PendingCall {
  /** Id of the call, such as `turn-4/step-2/1`. */
  readonly id: string;
  /** `waiting`: for the time of its next attempt, or for a worker. */
  readonly state: 'running' | 'waiting';
  /** Number of the running or next attempt, from 1. */
  readonly attempt: number;
  /** How the previous attempt ended; null for the first. `Internal` if the error is none of this program's. */
  readonly lastError: { readonly type: string; readonly message: string } | null;
  /** Who paused it, and why: it waits until somebody unpauses it. Null if nobody has. */
  readonly paused: string | null;
  /** ISO time; null if the call is running, or waits only for a worker. */
  readonly nextAttemptAt: string | null;
}

export async function readPendingCalls(
  link: ServerLink,
  sessionId: string,
  pending: readonly PendingActivity[] | null | undefined,
): Promise<readonly PendingCall[]> {
  return await Promise.all(
    (pending ?? []).map(async (call) => {
      const { activityId, state, attempt, lastFailure, nextAttemptScheduleTime } = call;
      const nextMs = nextAttemptScheduleTime ? milliseconds(nextAttemptScheduleTime) : undefined;
      return {
        id: activityId ?? '',
        state: state === STARTED ? ('running' as const) : ('waiting' as const),
        attempt: attempt ?? 1,
        lastError: lastFailure ? await readFailure(link, sessionId, lastFailure, activityId ?? undefined) : null,
        paused: pauseOf(call),
        nextAttemptAt: nextMs === undefined ? null : new Date(nextMs).toISOString(),
      };
    }),
  );
}

function pauseOf({ paused, pauseInfo }: PendingActivity): string | null {
  if (!paused) return null;
  const { identity, reason } = pauseInfo?.manual ?? {};
  return `by ${identity || 'somebody'}${reason ? `: ${reason}` : ''}`;
}

/**
 * Why a session does not answer although there are workers. They may be unable to store its state, for example, or to
 * replay it. Undefined if its last task did not fail.
 */
export async function findTaskFailure(link: ServerLink, sessionId: string): Promise<CopilotError | undefined> {
  try {
    const { raw } = await link.call(() => link.client.workflow.getHandle(sessionId).describe());
    const attempt = raw.pendingWorkflowTask?.attempt ?? 1;
    if (attempt === 1) return undefined;
    const { history } = await link.call(() =>
      link.client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: link.namespace,
        execution: { workflowId: sessionId },
        maximumPageSize: LAST_EVENTS,
      }),
    );
    const last = history?.events?.find(({ eventType }) => eventType === TASK_FAILED || eventType === TASK_TIMED_OUT);
    const failure = last?.workflowTaskFailedEventAttributes?.failure;
    if (!failure) return undefined;
    const { message } = await readFailure(link, sessionId, failure);
    return new CopilotError('SessionStuck', { sessionId, attempt, problem: message });
  } catch {
    // The server is away too, and other code reports that.
    return undefined;
  }
}

/** A failure that cannot be decrypted here is given as the server has it. */
export async function readFailure(
  link: ServerLink,
  workflowId: string,
  failure: Failure,
  activityId?: string,
): Promise<{ type: string; message: string }> {
  const { namespace } = link;
  const context =
    activityId === undefined
      ? ({ type: 'workflow', namespace, workflowId } as const)
      : ({ type: 'activity', namespace, workflowId, activityId, isLocal: false } as const);
  try {
    const error = await decodeRawFailure(link.client, failure, context);
    if (error instanceof TimeoutFailure && error.timeoutType === 'HEARTBEAT')
      return { type: 'Internal', message: NO_HEARTBEAT };
    const { type = 'Internal', message = '' } = fromFailure(error) ?? { message: error?.message };
    return { type, message };
  } catch {
    return { type: 'Internal', message: failure.message ?? '' };
  }
}
