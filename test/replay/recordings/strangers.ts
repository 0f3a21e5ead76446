/** What those do who have none of our code: signals and starts in any form, and the workflow that reads a team. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import {
  INSPECT_TEAM_WORKFLOW,
  FILES_WORKFLOW,
  RESOLVE_TEAM_WORKFLOW,
  SESSION_WORKFLOW,
} from '../../../src/contracts/messages.ts';
import type { ResolvedTeam } from '../../../src/contracts/team.ts';
import { until } from '../../helpers/history.ts';
import { payloadOf } from '../../helpers/raw-messages.ts';
import { decideNext } from '../../helpers/requests.ts';
import { NEEDS_MORE } from '../../helpers/spoiled-payloads.ts';
import { ended, exchange, record } from '../recorder.ts';

record('signals-ignored', {}, async ({ create, stranger, name }) => {
  const session = await create();
  const signals = [
    ['selfDestruct', []],
    ['__temporal_anything', [payloadOf('1')]],
    ['unusable signal', [payloadOf('"a"'), payloadOf('"b"')]],
    ['suspend', [payloadOf('{"colour": "red"}')]],
    ['suspend', [payloadOf('{"reason": ')]],
    ['suspend', [payloadOf('hello', 'text/morse')]],
    ['continue', [payloadOf('{"message": 5}')]],
    ['move', [payloadOf('hello', 'text/morse')]],
    ...Object.values(NEEDS_MORE).map((payloads) => ['suspend', payloads] as const),
  ] as const;
  for (const [signal, payloads] of signals) await stranger.signal(name, signal, payloads);
  for (const update of ['selfDestruct', 'send', 'unusable update'])
    await assert.rejects(async () => {
      const outcome = await stranger.update(name, update, [payloadOf('{"colour": "red"}')]);
      if (outcome !== 'done') throw new Error(JSON.stringify(outcome));
    });
  await exchange(session, 'still there?');
});

record('asked-by-workflows', {}, async ({ create, temporal, name }) => {
  const from = `${name}-asker`;
  // No worker runs it, and it takes signals nevertheless.
  const asker = await temporal.workflow.start('listener', { workflowId: from, taskQueue: 'nowhere' });
  const session = await create();
  const handle = temporal.workflow.getHandle(name);
  const message = { messageId: 'm-1', text: 'hello' };
  await handle.signal('ask', { kind: 'message', message });
  for (let times = 0; times < 2; times++) await handle.signal('ask', { kind: 'message', from, message });
  await ended(session);
  await handle.signal('ask', { kind: 'message', from: 'nobody', message });
  await until('nobody is told', async () => (await session.info()).notes.length === 2);
  await handle.signal('ask', { kind: 'result', from, complete: true });
  await handle.result();
  await asker.terminate();
});

record('start-refused', {}, async ({ stranger, temporal, name }) => {
  await stranger.start(name, [payloadOf('{"start": ')]);
  await assert.rejects(temporal.workflow.getHandle(name).result());
});

record(
  'started-by-a-stranger',
  { team: { team: { budget: { toolCalls: 1 } } }, script: { files: ['a.txt', 'b.txt'] } },
  async ({ temporal, copilot, name }) => {
    const team = (await temporal.workflow.execute(RESOLVE_TEAM_WORKFLOW, {
      workflowId: `${name}-team`,
      taskQueue: 'copilot',
      args: [name],
    })) as ResolvedTeam; // that workflow's result
    const message = { messageId: 'first', text: 'write' };
    const config = { approvals: { plan: true }, historyLimit: 40 };
    await temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: name,
      taskQueue: 'copilot',
      args: [{ start: { mode: 'planning-control', name: 'mine', team, config, context: {}, message } }],
    });
    const session = copilot.session(name);
    await decideNext(session, 'approve');
    await session.awaitTurn('turn-1');
    await decideNext(session, 'raise', { limit: 10 });
    await ended(session);
  },
);

record('team-resolved', {}, async ({ temporal, name }) => {
  const options = { workflowId: name, taskQueue: 'copilot', args: [name] };
  await temporal.workflow.execute(RESOLVE_TEAM_WORKFLOW, options);
});

record('team-inspected', {}, async ({ temporal, name }) => {
  const resolve = { workflowId: `${name}-resolved`, taskQueue: 'copilot', args: [name] };
  const team: unknown = await temporal.workflow.execute(RESOLVE_TEAM_WORKFLOW, resolve);
  await temporal.workflow.execute(INSPECT_TEAM_WORKFLOW, { workflowId: name, taskQueue: 'copilot', args: [team] });
});

record('team-not-found', {}, async ({ temporal, name }) => {
  const options = { workflowId: name, taskQueue: 'copilot', args: ['nowhere'] };
  await assert.rejects(temporal.workflow.execute(RESOLVE_TEAM_WORKFLOW, options));
});

record('file-written', {}, async ({ temporal, name }) => {
  const content = Buffer.from('a file');
  const whole = { bytes: content.length, digest: hash('sha256', content) };
  const file = { sessionId: name, path: 'a.txt', whole };
  await temporal.workflow.execute(FILES_WORKFLOW, {
    workflowId: name,
    taskQueue: 'copilot',
    args: [{ ...file, kind: 'write', from: 0, upload: '0'.repeat(32), replace: true }, content],
  });
});

record('file-not-found', {}, async ({ temporal, name }) => {
  const args = [{ kind: 'read', sessionId: name, path: 'none.txt', from: 0 }];
  const options = { workflowId: name, taskQueue: 'copilot', args };
  const refused = { type: 'FileNotFound', details: { sessionId: name, path: 'none.txt' } };
  assert.deepEqual(await temporal.workflow.execute(FILES_WORKFLOW, options), { refused });
});
