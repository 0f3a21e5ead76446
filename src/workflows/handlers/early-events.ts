/**
 * Keeps a query from bringing events to the session before its workflow task does.
 *
 * The server hands a query to the next worker that polls, with the history of that moment. If an event has come meanwhile,
 * its workflow task is in this history only as scheduled. The SDK (core 1.24) works on the event nevertheless, at the time
 * of the task before, and sends the commands with the task that follows. A replay works on the event in that task, at its
 * time and together with what came until then, so it may make other commands, and the session would be stuck.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { ASK_AGAIN } from '../../contracts/early-query.ts';

type Internals = NonNullable<WorkflowInterceptors['internals']>[number];

/**
 * Such an activation goes beyond the history of the one before, at its time: the time changes only when a task starts. That
 * the activation fails makes the SDK answer the query with the failure and drop the run from its cache.
 *
 * An activation is not recognised if the task before it brought nothing to the session, as the late end of a cancelled
 * activity does: then there was no activation at that task's time.
 */
export function refuseEarlyEvents(): Internals {
  let time = '';
  let length = 0;
  return {
    activate: (input, next) => {
      const { timestamp, historyLength, isReplaying, jobs } = input.activation;
      // Queries come by themselves, after the history.
      if (jobs?.some(({ queryWorkflow }) => queryWorkflow)) return next(input);
      const now = `${String(timestamp?.seconds)}.${String(timestamp?.nanos)}`;
      if (!isReplaying && now === time && historyLength !== length) throw new Error(ASK_AGAIN);
      time = now;
      length = historyLength ?? 0;
      next(input);
    },
  };
}
