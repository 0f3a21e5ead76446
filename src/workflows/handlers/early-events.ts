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

/** The id of a query that came by itself. The others came with a workflow task. */
const BY_ITSELF = 'legacy_query';
const MAX_SUSPECTS = 1_000;

/** Runs that were dropped in this thread because of an early event, and that have answered no query since. */
const suspects = new Set<string>();

/**
 * Such an activation has more history than the previous one, but the same time, which changes only when a task starts. If
 * the activation fails, the SDK answers the query with that failure and drops the run from its cache.
 *
 * The SDK also drops all tasks that wait for the run, except the first one. If the first one is a query, its history may end
 * with a task that has started and was just dropped. Its events are early as well, but at another time. The guard therefore
 * refuses the next query of such a run if the run handled new events immediately before it.
 *
 * Two cases are not recognised. The previous task had no activation, because it brought nothing to the session, for example
 * the late end of a cancelled activity. Or the query waited longer than the event, and a worker got the task of the event and
 * died before it got the query.
 */
export function refuseEarlyEvents(): Internals {
  let time = '';
  let length = 0;
  let liveActivations = 0;
  let isDropped = false;
  return {
    activate: (input, next) => {
      const { timestamp, historyLength, isReplaying, jobs } = input.activation;
      const runId = input.activation.runId ?? '';
      // Queries come without other jobs, after the history.
      const query = jobs?.find(({ queryWorkflow }) => queryWorkflow)?.queryWorkflow;
      if (query) {
        if (query.queryId === BY_ITSELF && liveActivations === 1 && suspects.has(runId)) throw new Error(ASK_AGAIN);
        // The query of a refused event still arrives, and nobody gets its answer.
        if (!isDropped) suspects.delete(runId);
        return next(input);
      }
      const now = `${String(timestamp?.seconds)}.${String(timestamp?.nanos)}`;
      isDropped = !isReplaying && now === time && historyLength !== length;
      if (isDropped) {
        suspect(runId);
        throw new Error(ASK_AGAIN);
      }
      if (!isReplaying) liveActivations += 1;
      time = now;
      length = historyLength ?? 0;
      next(input);
    },
  };
}

function suspect(runId: string): void {
  const [oldest] = suspects;
  if (suspects.size >= MAX_SUSPECTS && oldest !== undefined) suspects.delete(oldest);
  suspects.add(runId);
}
