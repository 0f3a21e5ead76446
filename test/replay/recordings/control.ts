/** Sessions that people stop, steer, suspend and continue. */
import assert from 'node:assert/strict';
import { until } from '../../helpers/history.ts';
import { calling } from '../../helpers/replies.ts';
import type { ScriptedCall } from '../../helpers/team-script.ts';
import { ended, exchange, LONG_TALK, modelCall, record, untilStepRuns, untilTalking } from '../recorder.ts';

const mode = 'planning-control';
const files = ['a.txt', 'b.txt'];
const begins = ({ task, lastRole }: ScriptedCall, file: string): boolean =>
  task === `write ${file}` && lastRole === 'user';
const talking = { text: LONG_TALK.answer ?? '', wordDelayMs: 100 };

record('interrupted-then-suspended-now', { script: LONG_TALK }, async ({ create, play, temporal, name }) => {
  const session = await create();
  await session.send('talk', { wait: false });
  await untilTalking(session);
  await session.interrupt();
  await ended(session, 'turn-1', 'interrupted');
  const handle = temporal.workflow.getHandle(name);
  await session.send('again', { wait: false });
  await until('the second call', async () => (await session.info()).turns === 2);
  await handle.signal('suspend', { now: true });
  await ended(session, 'turn-2', 'suspended');
  play({ answer: 'short' });
  await session.continue();
  await ended(session, 'turn-2');
});

record('steered', { script: LONG_TALK }, async ({ create, play }) => {
  const session = await create();
  await session.send('talk', { wait: false });
  const waits = await session.send('this waits', { wait: false });
  await untilTalking(session);
  play({ answer: 'short' });
  const { turn } = await session.interrupt({ reason: 'too long', message: 'in short' });
  await ended(session, 'turn-1', 'interrupted');
  assert.equal((await ended(session, turn?.id)).number, 2);
  await ended(session, waits.id);
});

record('steered-in-mid-plan', {}, async ({ create, play }) => {
  play({ files, instead: (call) => (begins(call, 'b.txt') ? talking : undefined) });
  const session = await create({ mode: 'copilot' });
  await session.send('write two files', { wait: false });
  await untilStepRuns(session, 2);
  play({ answer: 'fine' });
  const { turn } = await session.interrupt({ message: 'leave the second one' });
  await ended(session, 'turn-1', 'interrupted');
  await ended(session, turn?.id);
});

record('messages-sent-twice-one-taken-back', {}, async ({ create, play }) => {
  play({ delayMs: 0, instead: ({ last }) => (last === 'talk' ? talking : undefined) });
  const session = await create();
  await session.send('talk', { wait: false });
  await untilTalking(session);
  for (const messageId of ['second', 'third', 'third']) await session.send(messageId, { messageId, wait: false });
  assert.equal((await session.unqueue('second')).changed, true);
  assert.equal((await session.unqueue('second')).changed, false);
  await session.interrupt();
  await ended(session, 'turn-3');
});

record('many-wait-for-one-turn', {}, async ({ create, play }) => {
  play({ instead: ({ last }) => (last === 'talk' ? talking : undefined) });
  const session = await create();
  await session.send('talk', { wait: false });
  await untilTalking(session);
  const messages = Array.from({ length: 8 }, (_, index) => `m-${index}`);
  const sent = [...messages, 'm-1'].map((messageId) => session.send(messageId, { messageId }));
  await until('all wait', async () => (await session.info()).queueLength === messages.length);
  await session.interrupt();
  for (const turn of await Promise.all(sent)) assert.equal(turn.status, 'completed');
});

record('suspended-in-mid-plan-by-signals', {}, async ({ create, play, temporal, name }) => {
  play({ files, instead: (call) => (begins(call, 'a.txt') ? { ...write('a.txt'), delayMs: 1_000 } : undefined) });
  const session = await create({ mode });
  await session.send('write', { wait: false });
  await untilStepRuns(session, 1);
  const handle = temporal.workflow.getHandle(name);
  await handle.signal('suspend', { reason: 'lunch' });
  await handle.signal('suspend', { reason: 5 });
  await ended(session, 'turn-1', 'suspended');
  await handle.signal('continue');
  await until('the end', async () => (await session.awaitTurn('turn-1')).status === 'completed');
});

record('suspended-now-in-mid-plan', {}, async ({ create, play }) => {
  play({ files, instead: (call) => (begins(call, 'b.txt') ? talking : undefined) });
  const session = await create({ mode });
  await session.send('write', { wait: false });
  await untilStepRuns(session, 2);
  await session.suspend({ reason: 'now', now: true });
  await ended(session, 'turn-1', 'suspended');
  play({ files });
  await session.continue({ message: 'and then' });
  await ended(session);
  await ended(session, 'turn-2');
});

record('continued-with-a-message', {}, async ({ create, temporal, name }) => {
  const session = await create({ message: 'hello' });
  await ended(session);
  const handle = temporal.workflow.getHandle(name);
  await handle.signal('suspend', { reason: 'a break' });
  await handle.signal('continue', { message: 'go on' });
  await ended(session, 'turn-2');
});

record(
  'tool-interrupted',
  { team: { team: { approvals: { tools: { shell: 'allow' } } }, agents: { writer: { tools: ['shell'] } } } },
  async ({ create, play, temporal, name }) => {
    play({
      instead: ({ lastRole }) => (lastRole === 'user' ? calling(['shell', { command: 'sleep 60' }]) : undefined),
    });
    const session = await create();
    await session.send('ship', { wait: false });
    await until('a running tool', async () => {
      const { raw } = await temporal.workflow.getHandle(name).describe();
      return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'copilotRunTool');
    });
    await session.interrupt();
    await ended(session, 'turn-1', 'interrupted');
    play({});
    await exchange(session, 'and now?');
  },
);

record('cancelled-from-outside', { script: LONG_TALK }, async ({ create, temporal, name }) => {
  const session = await create();
  // This update ends with the workflow.
  const sent = session.send('talk').catch(() => undefined);
  await untilTalking(session);
  await temporal.workflow.getHandle(name).cancel();
  await temporal.workflow.getHandle(name).result();
  await sent;
});

record('terminated-in-mid-turn', { script: LONG_TALK }, async ({ create, temporal, name }) => {
  const session = await create();
  await session.send('talk', { wait: false });
  await untilTalking(session);
  await temporal.workflow.getHandle(name).terminate('as a deletion does it');
});

record('completed-in-mid-turn', { script: LONG_TALK }, async ({ create }) => {
  const session = await create();
  await session.send('talk', { wait: false });
  await session.send('this waits', { wait: false });
  await untilTalking(session);
  await session.complete();
});

record('expired', {}, async ({ create, temporal, name }) => {
  const session = await create({ config: { idleTimeoutMs: 1_500 } });
  await exchange(session, 'hi');
  await temporal.workflow.getHandle(name).result();
});

record('suspended-beyond-its-idle-timeout', {}, async ({ create, temporal, name }) => {
  const session = await create({ config: { idleTimeoutMs: 1_000 } });
  await session.suspend();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await session.continue();
  await temporal.workflow.getHandle(name).result();
});

record('configured-in-mid-plan', {}, async ({ create, play, name }) => {
  const script = {
    files,
    instead: (call: ScriptedCall) => (begins(call, 'a.txt') ? { ...write('a.txt'), delayMs: 1_000 } : undefined),
  };
  play(script);
  const session = await create({ mode });
  await session.send('write', { wait: false });
  await untilStepRuns(session, 1);
  const override = { model: `${name}:other`, temperature: 0.5, instructions: 'I am engineer X.' };
  await session.configure({ agents: { engineer: override }, refreshTeam: true });
  await ended(session);
  await session.configure({
    approvals: { plan: true },
    budget: { rounds: 50 },
    allowCode: true,
    idleTimeoutMs: 3_600_000,
  });
  await session.configure({ mode: 'one-shot' });
  await session.configure({ agents: { engineer: null }, approvals: null, budget: null, allowCode: null });
  await exchange(session, 'hello');
});

function write(path: string) {
  return calling(['write_file', { path, content: `I am ${path}` }]);
}

record('model-call-awaited-by-nobody', {}, async (stage) => {
  stage.play({ delayMs: 0, wordDelayMs: 1, answer: 'one two' });
  const session = await stage.create();
  await session.send('hello', { wait: false });
  await modelCall(stage, ({ last }) => last === 'hello');
  await until('the end', async () => (await session.turns())[0]?.status === 'completed');
});
