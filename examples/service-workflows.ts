/** Workflows of the service in service.ts: workflow code, which runs in Temporal's sandbox. */
import { continueAsNew, proxyActivities } from '@temporalio/workflow';
import { openSession, startSession } from '../src/workflows/sessions.ts';

const { priceOf } = proxyActivities<{ priceOf(order: string): Promise<number> }>({ startToCloseTimeout: '10s' });

/** Has a session check an order, and goes on with the same session in its next run. */
export async function checkOrder(order: string, sessionId?: string): Promise<string> {
  if (sessionId === undefined) {
    const { id } = await startSession({ user: 'orders', mode: 'one-shot' });
    return await continueAsNew<typeof checkOrder>(order, id);
  }
  const session = openSession(sessionId);
  const price = await priceOf(order);
  // The same id is the same message, also if this workflow begins again from here.
  const turn = await session.send(`What is 12 * ${price}?`, { messageId: `total-${order}` });
  const { info } = await session.complete();
  return `${turn.status}: ${turn.reply} (session ${info.status})`;
}
