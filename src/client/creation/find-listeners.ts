/** Whether there are webhooks for a session that is about to begin. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { SessionStart } from '../../contracts/session.ts';
import { webhooksId } from '../../contracts/webhooks.ts';

/** Asks the server only, so it takes no worker and less than a worker's answer. Undefined if that cannot be told. */
export async function findListeners(
  client: Pick<Client, 'workflow'>,
  user: string | undefined,
): Promise<SessionStart['listeners']> {
  const isOpen = async (workflowId: string): Promise<boolean> => {
    try {
      return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
  };
  try {
    const [own, all] = await Promise.all([
      user === undefined ? false : isOpen(webhooksId(user)),
      isOpen(webhooksId(null)),
    ]);
    return { own, all };
  } catch {
    return undefined;
  }
}
