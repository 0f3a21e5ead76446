/** Webhooks: sessions that tell them, and the workflow that delivers. */
import assert from 'node:assert/strict';
import { WithStartWorkflowOperation } from '@temporalio/client';
import { WEBHOOKS_WORKFLOW } from '../../../src/contracts/messages.ts';
import {
  addWebhook,
  listen,
  removeWebhook,
  testWebhook,
  webhookEvent,
  webhookEventId,
  webhooks,
} from '../../../src/contracts/webhooks.ts';
import { until } from '../../helpers/history.ts';
import { freePort } from '../../helpers/ports.ts';
import { payloadOf } from '../../helpers/raw-messages.ts';
import { decideNext } from '../../helpers/requests.ts';
import { WebhookReceiver } from '../../helpers/webhook-receiver.ts';
import { ended, record } from '../recorder.ts';

record('told-to-webhooks', { script: { files: ['a.txt', 'b.txt'] } }, async ({ create, copilot, temporal, name }) => {
  const session = await create({
    user: name,
    mode: 'planning-control',
    config: { approvals: { plan: true }, historyLimit: 40 },
  });
  const receiver = await WebhookReceiver.start();
  const { id } = await copilot.webhooks.add({ user: name, url: receiver.url });
  // Somebody else may say so, too.
  await temporal.workflow.getHandle(name).signal(listen, { scope: 'all', since: new Date().toISOString() });
  await session.send('write', { wait: false });
  await decideNext(session, 'approve');
  await ended(session);
  await receiver.until('turn.ended');
  await copilot.webhooks.remove(id, { user: name });
  // The session finds that nobody listens any more.
  await session.send('write again', { wait: false });
  await decideNext(session, 'approve');
  await ended(session, 'turn-2');
  await session.complete();
  await receiver.close();
});

record('webhooks-delivered', {}, async ({ temporal, stranger, name }) => {
  const receiver = await WebhookReceiver.start();
  const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
  const [up, down] = ['whk_00000000000000000000000001', 'whk_00000000000000000000000002'];
  const add = (id: string, url: string) =>
    temporal.workflow.executeUpdateWithStart(addWebhook, {
      args: [{ id, url, events: ['turn.ended'], secret, by: null }],
      startWorkflowOperation: new WithStartWorkflowOperation(WEBHOOKS_WORKFLOW, {
        workflowId: name,
        taskQueue: 'copilot',
        args: [{ owner: name }],
        workflowIdConflictPolicy: 'USE_EXISTING',
      }),
    });
  await add(up, receiver.url);
  await add(down, `http://127.0.0.1:${await freePort()}/`);
  const handle = temporal.workflow.getHandle(name);
  await stranger.signal(name, 'webhookEvent', [payloadOf('{"colour": "red"}')]);
  for (const turn of ['one', 'two']) {
    const id = webhookEventId([turn]);
    await handle.signal(webhookEvent, { id, type: 'turn.ended', timestamp: new Date().toISOString(), data: { turn } });
  }
  await receiver.until('turn.ended', 2);
  await until('failing', async () => (await handle.query(webhooks))[1]?.failing !== null);
  assert.equal((await handle.executeUpdate(testWebhook, { args: [{ id: up }] })).delivered, true);
  receiver.answers = 410;
  assert.equal((await handle.executeUpdate(testWebhook, { args: [{ id: up }] })).delivered, false);
  for (const id of [up, down]) await handle.executeUpdate(removeWebhook, { args: [{ id }] });
  await handle.result();
  await receiver.close();
});
