/** What log lines of the SDK say of the activities that they are about. */
import assert from 'node:assert/strict';
import type { Context } from '@temporalio/activity';
import type { ActivityInterceptors } from '@temporalio/worker';
import { nameSessions } from '../../../src/worker/host/log-attributes.ts';

const KNOWN = { namespace: 'default' };

/** The attributes of a line after the activity has begun. */
async function attributesOf(activityType: string, input: unknown): Promise<Readonly<Record<string, unknown>>> {
  const context = { info: { activityType, workflowExecution: { workflowId: 'ses_1', runId: 'run' } } };
  // Interceptors read nothing else of it.
  const { inbound, outbound }: ActivityInterceptors = nameSessions(context as unknown as Context);
  await inbound?.execute?.({ args: [input], headers: {} }, () => Promise.resolve(undefined));
  return outbound?.getLogAttributes?.(KNOWN, (attributes) => attributes) ?? KNOWN;
}

describe('log lines of activities', () => {
  it('name session, turn and step, as far as there are any', async () => {
    const step = { turnId: 'turn-4', step: 2, policies: {} };
    assert.deepEqual(await attributesOf('copilotRunAgent', step), {
      ...KNOWN,
      session: 'ses_1',
      turn: 'turn-4',
      step: 2,
    });
    const turn = { ...KNOWN, session: 'ses_1', turn: 'turn-4' };
    assert.deepEqual(await attributesOf('copilotPlan', { turnId: 'turn-4' }), turn);
    assert.deepEqual(await attributesOf('copilotArchive', undefined), { ...KNOWN, session: 'ses_1' });
  });

  it('of the activities of a service stay as they are', async () => {
    assert.deepEqual(await attributesOf('charge', { turnId: 'turn-4' }), KNOWN);
  });
});
