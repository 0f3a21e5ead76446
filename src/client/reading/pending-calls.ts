/** What keeps a session waiting, as the server has it: no worker is asked. */
import type { temporal } from '@temporalio/proto';
import { TimeoutFailure } from '@temporalio/common';
import { optionalTsToMs } from '@temporalio/common/lib/time.js';
import { CopilotError, fromFailure } from '../../contracts/errors.ts';
import { decodeFailure } from '../../storage/sdk-internals.ts';
import type { ServerLink } from '../../connection/server-link.ts';

type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;
type Failure = temporal.api.failure.v1.IFailure;

/** `temporal.api.enums.v1.PendingActivityState.PENDING_ACTIVITY_STATE_STARTED` */
const STARTED = 2;
/** `temporal.api.enums.v1.EventType` */
const TASK_TIMED_OUT = 8;
const TASK_FAILED = 9;
const NO_SIGN_OF_LIFE = 'The worker that had it gave no sign of life. It is tried again by itself.';
/** A task that failed has its event within the last few. */
const LAST_EVENTS = 10;

/** A call of a model or a tool that runs, or waits for its next attempt. */
export interface PendingCall {
  /** Such as `turn-4/step-2/1`. */
  readonly id: string;
  /** `waiting`: for the time of its next attempt, or for a worker. */
  readonly state: 'running' | 'waiting';
  /** The one that runs or comes next, from 1. */
  readonly attempt: number;
  /** What the attempt before ended with, `Internal` where it is no error of this program; null with the first. */
  readonly lastError: { readonly type: string; readonly message: string } | null;
  /** ISO time; null where it runs, or may run as soon as a worker takes it. */
  readonly nextAttemptAt: string | null;
}

/** In the form for readers. */
export async function pendingCalls(
  link: ServerLink,
  sessionId: string,
  pending: readonly PendingActivity[] | null | undefined,
): Promise<readonly PendingCall[]> {
  return await Promise.all(
    (pending ?? []).map(async ({ activityId, state, attempt, lastFailure, nextAttemptScheduleTime }) => {
      const nextMs = optionalTsToMs(nextAttemptScheduleTime);
      return {
        id: activityId ?? '',
        state: state === STARTED ? ('running' as const) : ('waiting' as const),
        attempt: attempt ?? 1,
        lastError: lastFailure ? await readFailure(link, sessionId, lastFailure, activityId ?? undefined) : null,
        nextAttemptAt: nextMs === undefined ? null : new Date(nextMs).toISOString(),
      };
    }),
  );
}

/**
 * Why a session does not answer although there are workers: they cannot store its state, say, or do not know how to
 * replay it. Undefined where that is not so.
 */
export async function whyStuck(link: ServerLink, sessionId: string): Promise<CopilotError | undefined> {
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
    // The server is away, too: that is said elsewhere.
    return undefined;
  }
}

/** What cannot be decrypted here is given as the server has it. */
async function readFailure(
  link: ServerLink,
  workflowId: string,
  failure: Failure,
  activityId?: string,
): Promise<{ type: string; message: string }> {
  const { loadedDataConverter } = link.client.options;
  const { namespace } = link;
  const context =
    activityId === undefined
      ? ({ type: 'workflow', namespace, workflowId } as const)
      : ({ type: 'activity', namespace, workflowId, activityId, isLocal: false } as const);
  try {
    const error = await decodeFailure(loadedDataConverter, failure, context);
    if (error instanceof TimeoutFailure && error.timeoutType === 'HEARTBEAT')
      return { type: 'Internal', message: NO_SIGN_OF_LIFE };
    const { type = 'Internal', message = '' } = fromFailure(error) ?? { message: error?.message };
    return { type, message };
  } catch {
    return { type: 'Internal', message: failure.message ?? '' };
  }
}
