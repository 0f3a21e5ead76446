/** Removes the workflow of a question whose client has died. A client that lives removes it as soon as it has the answer. */
import { Context } from '@temporalio/activity';

/** Longer than any client waits. */
const REMOVE_AFTER_MS = 60_000;

/** To be called by the activity that answers. The workflow would stand in lists, with a part of a file in it, for years. */
export function removeIfForgotten(): void {
  const { client, info } = Context.current();
  const { namespace, workflowExecution } = info;
  if (workflowExecution === undefined) return;
  const { workflowId, runId } = workflowExecution;
  const remove = async (): Promise<void> => {
    try {
      await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } });
    } catch {
      // It is gone already, or this worker stops or may not delete.
    }
  };
  setTimeout(() => void remove(), REMOVE_AFTER_MS).unref();
}
