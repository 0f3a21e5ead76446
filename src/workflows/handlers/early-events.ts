/**
 * Refuses events that reach the session with a query, before their own workflow task has started.
 *
 * The server gives a query to the next worker that polls, with the history of that moment. If an event was added while the
 * query waited, the history ends with a workflow task that is scheduled and not started. The SDK (core 1.24) handles the
 * event nevertheless: at the time of the previous task, with commands that are sent with the next one. A replay handles it in
 * that next task, at its time and together with later events. If it makes other commands then, the session is stuck.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { ASK_AGAIN } from '../../contracts/early-query.ts';

type Internals = NonNullable<WorkflowInterceptors['internals']>[number];

/**
 * Such an activation has more history than the previous one, but the same time, which changes only when a task starts. If
 * the activation fails, the SDK answers the query with that failure and drops the run from its cache.
 *
 * One case is not recognised: the previous task had no activation, because it brought nothing to the session, for example
 * the late end of a cancelled activity.
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
