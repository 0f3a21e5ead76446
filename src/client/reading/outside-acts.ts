/** What happened to a session from outside of it: by operators, the `temporal` CLI, the Web UI, schedules. */
import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { milliseconds } from '../../connection/open-connection.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { readFailure } from './pending-calls.ts';

/** `temporal.api.enums.v1.HistoryEventFilterType` */
const CLOSE_EVENT = 2;

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** One thing that somebody did to the session's workflow. */
export interface OutsideAct {
  readonly kind: 'terminated' | 'failed' | 'timed-out' | 'reset';
  /** ISO time. */
  readonly at: string | null;
  /** Identity of the client, as it called itself. */
  readonly by: string | null;
  /** In their words, or the error. */
  readonly reason: string;
  /** What to do about it, in one sentence. */
  readonly advice: string;
}

/** Resets, and how the workflow ended if it did not end by itself, oldest first. @throws what the SDK throws */
export async function readOutsideActs(
  link: ServerLink,
  { workflowId, runId, raw, status }: WorkflowExecutionDescription,
): Promise<readonly OutsideAct[]> {
  const resetMs = milliseconds(raw.workflowExtendedInfo?.lastResetTime);
  const reset: OutsideAct = {
    kind: 'reset',
    at: new Date(resetMs).toISOString(),
    by: null,
    reason: 'the workflow was reset: it goes on from an earlier point, and messages that came later were sent again',
    advice: `Calls of models and tools after that point were made twice; compare: copilot transcript ${workflowId}`,
  };
  const acts = resetMs > 0 ? [reset] : [];
  if (!['TERMINATED', 'FAILED', 'TIMED_OUT'].includes(status.name)) return acts;
  const { history } = await link.call(() =>
    link.client.workflowService.getWorkflowExecutionHistory({
      namespace: link.namespace,
      execution: { workflowId, runId },
      historyEventFilterType: CLOSE_EVENT,
      skipArchival: true,
    }),
  );
  const last = history?.events?.at(-1);
  return last ? [...acts, await endOf(link, workflowId, last)] : acts;
}

async function endOf(link: ServerLink, id: string, event: HistoryEvent): Promise<OutsideAct> {
  const at = event.eventTime ? new Date(milliseconds(event.eventTime)).toISOString() : null;
  const {
    workflowExecutionTerminatedEventAttributes: terminated,
    workflowExecutionFailedEventAttributes: failed,
    workflowExecutionTimedOutEventAttributes: timedOut,
  } = event;
  const fork = `It does not go on; this makes a session that does: copilot fork ${id}`;
  if (terminated) {
    const { reason, identity } = terminated;
    return { kind: 'terminated', at, by: identity || null, reason: reason || 'no reason was given', advice: fork };
  }
  if (failed?.failure) {
    const { type, message } = await readFailure(link, id, failed.failure);
    const advice =
      type === 'InvalidInput'
        ? `What started it (a schedule, a script) gave arguments that are not those of a session. Correct that; remove this one: copilot delete ${id}`
        : fork;
    return { kind: 'failed', at, by: null, reason: message, advice };
  }
  const reason = timedOut ? 'it ran into the timeout that its starter gave it' : 'it has ended';
  return { kind: 'timed-out', at, by: null, reason, advice: fork };
}
