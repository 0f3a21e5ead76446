/** Reading histories as a stranger would: through the plain Temporal client. */
import assert from 'node:assert/strict';
import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import proto from '@temporalio/proto';
import type { RunToolInput } from '../../src/contracts/activities.ts';

export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** All events of a session over all its runs, oldest first. */
export async function fullHistory(client: Client, workflowId: string): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for await (const run of runHistories(client, workflowId)) events.push(...run);
  return events;
}

/** The events of each run of a session, the oldest run first. */
export async function* runHistories(client: Client, workflowId: string): AsyncGenerator<HistoryEvent[]> {
  let runId: string | undefined = await firstRun(client, workflowId);
  while (runId !== undefined) {
    const run: HistoryEvent[] = (await client.workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
    yield run;
    runId = run.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
  }
}

async function firstRun(client: Client, workflowId: string): Promise<string> {
  const { events } = await client.workflow.getHandle(workflowId).fetchHistory();
  return events?.[0]?.workflowExecutionStartedEventAttributes?.firstExecutionRunId ?? '';
}

/** `EVENT_TYPE_WORKFLOW_TASK_FAILED` */
const TASK_FAILED = 9;
/** The server's own ways of having a task done again, for what came while it was at work. */
const DONE_AGAIN = ['WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND', 'WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND'];

/** Asserts that the workflow code has failed no task, in no run. */
export async function noTaskFailed(client: Client, workflowId: string): Promise<void> {
  const failed = (await fullHistory(client, workflowId))
    .filter(({ eventType }) => eventType === TASK_FAILED)
    .map(({ workflowTaskFailedEventAttributes: failure }) => JSON.stringify(failure))
    .filter((failure) => !DONE_AGAIN.some((cause) => failure.includes(cause)));
  assert.deepEqual(failed, [], workflowId);
}

/** The bytes of an event as the history has them. */
export function encodeEvent(event: HistoryEvent): Uint8Array {
  return proto.temporal.api.history.v1.HistoryEvent.encode(event).finish();
}

/** Bytes that an event takes in the history. */
export function bytesOf(event: HistoryEvent): number {
  return encodeEvent(event).length;
}

/** Tool calls among events, as the Web UI shows them and with the keys that tools get, without the session's id. */
export function toolCallsIn(events: readonly HistoryEvent[]): { readonly summary: string; readonly key: string }[] {
  return events.flatMap(({ activityTaskScheduledEventAttributes: scheduled, userMetadata }) => {
    if (scheduled?.activityType?.name !== 'copilotRunTool') return [];
    const [input] = scheduled.input?.payloads ?? [];
    return [
      {
        summary: userMetadata?.summary ? defaultPayloadConverter.fromPayload<string>(userMetadata.summary) : '',
        key: input ? defaultPayloadConverter.fromPayload<RunToolInput>(input).key : '',
      },
    ];
  });
}

/** Waits until `probe` gives something other than undefined, null or false. @throws Error after `timeoutMs` */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | null | false>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 1.25, 200)) {
    const found = await probe();
    if (found !== undefined && found !== null && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
