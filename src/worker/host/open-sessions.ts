/** Which of some sessions are open, as the server's visibility knows. */
import type { Client } from '@temporalio/client';
import { SessionId } from '../../contracts/session.ts';

/** Ids in one question. */
const MAX_IDS = 100;

/** A session of a stranger whose id cannot stand in a question counts as open. */
export async function findOpenSessions(client: Client, sessionIds: readonly string[]): Promise<ReadonlySet<string>> {
  const asked = sessionIds.filter((id) => SessionId.safeParse(id).success);
  const open = new Set(sessionIds.filter((id) => !asked.includes(id)));
  for (let from = 0; from < asked.length; from += MAX_IDS) {
    const ids = asked.slice(from, from + MAX_IDS).map((id) => `'${id}'`);
    const query = `ExecutionStatus = 'Running' AND WorkflowId IN (${ids.join(', ')})`;
    for await (const { workflowId } of client.workflow.list({ query })) open.add(workflowId);
  }
  return open;
}
