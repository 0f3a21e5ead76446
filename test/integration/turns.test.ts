/** What a turn does and what it costs. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { collect } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { bytesOf, fullHistory, type HistoryEvent, until } from '../helpers/history.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('turns', function () {
  this.timeout(400_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  itInFull('turn 200 puts no more into history than turn 10 of the same kind', async () => {
    playTeam(world.model, { answer: 'word '.repeat(40) });
    const session = await world.copilot.create({ mode: 'one-shot' });
    for (let number = 1; number <= 201; number++) {
      const { status } = await session.send('text '.repeat(40), {
        messageId: `message-${String(number).padStart(4, '0')}`,
      });
      assert.equal(status, 'completed');
    }
    const history = await fullHistory(world.temporal, session.id);
    const early = eventsOfTurn(history, 10);
    const late = eventsOfTurn(history, 200);
    assert.deepEqual(late.map(kind), early.map(kind));
    const grown = bytes(late) - bytes(early);
    // The digits of "200" against "10", where a turn names itself or its place; nothing else may differ.
    assert.ok(grown <= 60, `turn 10 takes ${bytes(early)} bytes, turn 200 takes ${bytes(late)}`);
    const runs = new Set(history.filter(({ workflowExecutionStartedEventAttributes: started }) => started)).size;
    assert.ok(runs > 1, 'the session should have continued as new on the way');
  });

  it('a plan of two steps is made by the answering agent, done and answered', async () => {
    playTeam(world.model, { files: ['x.txt', 'y.txt'], answer: 'both written' });
    const session = await world.copilot.create({ mode: 'copilot' });
    const turn = await session.send('write two files');
    assert.equal(turn.status, 'completed');
    assert.equal(turn.route, 'planned');
    assert.equal(turn.reply, 'both written');
    assert.deepEqual(
      turn.steps.map(({ number, agent, task, status, attempts }) => ({ number, agent, task, status, attempts })),
      [
        { number: 1, agent: 'engineer', task: 'write x.txt', status: 'completed', attempts: 1 },
        { number: 2, agent: 'engineer', task: 'write y.txt', status: 'completed', attempts: 1 },
      ],
    );
    assert.deepEqual(turn.artifacts, ['x.txt', 'y.txt']);
    assert.equal(turn.usage.modelCalls, 6);
    assert.equal(turn.usage.toolCalls, 2);
  });

  itInFull(
    'a step that fails three times ends the turn with its plan kept, and continue takes up at that step',
    async () => {
      let isBroken = true;
      playTeam(world.model, {
        files: ['one.txt', 'two.txt'],
        answer: 'mended',
        instead: ({ phase, last }) =>
          isBroken && phase === 'step' && last.includes('# Your step\nwrite two.txt')
            ? {
                toolCalls: [
                  { name: 'report_step', arguments: { status: 'failed', summary: 'the disk is on holiday' } },
                ],
              }
            : undefined,
      });
      const session = await world.copilot.create({ mode: 'copilot' });
      const failed = await session.send('write two files');
      assert.equal(failed.status, 'failed');
      assert.equal(failed.error?.type, 'StepFailed');
      assert.match(failed.error?.message ?? '', /Step 2 failed 3 times: the disk is on holiday/);
      assert.deepEqual(
        failed.steps.map(({ status, attempts }) => [status, attempts]),
        [
          ['completed', 1],
          ['failed', 3],
        ],
      );

      isBroken = false;
      const calls = world.model.requests.length;
      await session.continue();
      const turn = await session.awaitTurn(failed.id);
      assert.equal(turn.status, 'completed');
      assert.equal(turn.reply, 'mended');
      assert.deepEqual(callsOf(world.model).slice(calls), ['step write two.txt', 'step (tool)', 'answer']);
    },
  );

  it('interrupt closes the request to the model, keeps the partial text, and the session answers the next message', async () => {
    playTeam(world.model, { answer: 'word '.repeat(2_000), wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const outcome = session.send('talk');
    await until('tokens', async () => world.model.requests.at(-1)?.body.stream === true);
    let seen = '';
    await collect(session, (event) => event.type === 'token' && /^(word ){5,}/.test((seen += event.text)), 0);
    assert.deepEqual(await session.interrupt(), { changed: true, status: 'active' });
    const turn = await outcome;
    assert.equal(turn.status, 'interrupted');
    assert.match(turn.reply, /^(word ){5,}/);
    await world.model.requests.at(-1)?.ended;
    assert.equal(world.model.requests.at(-1)?.closedByClient, true);
    assert.deepEqual(await session.interrupt(), { changed: false, status: 'active' });

    playTeam(world.model, { answer: 'short' });
    assert.equal((await session.send('and now?')).reply, 'short');
    const { messages } = await session.transcript();
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant', 'user', 'assistant'],
    );
    assert.equal(messages[1]?.text, turn.reply);
  });

  it('interrupt with a turn stops that one only, not the one that has taken its place', async () => {
    playTeam(world.model, { answer: 'short' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const ended = await session.send('first');
    playTeam(world.model, { answer: 'word '.repeat(2_000), wordDelayMs: 50 });
    const running = await session.send('second', { wait: false });
    await until('a running turn', async () => (await session.info()).phase === 'one-shot');
    assert.deepEqual(await session.interrupt({ turnId: ended.id }), { changed: false, status: 'active' });
    assert.equal((await session.info()).phase, 'one-shot');
    assert.deepEqual(await session.interrupt({ turnId: running.id }), { changed: true, status: 'active' });
    assert.equal((await session.awaitTurn(running.id)).status, 'interrupted');
  });

  it('sixteen messages wait, the next is refused, and interrupt still gets through', async () => {
    playTeam(world.model, { answer: 'word '.repeat(2_000), wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'first' });
    await until('a running turn', async () => (await session.info()).phase === 'one-shot');
    const waiting = [];
    for (let number = 1; number <= 16; number++) waiting.push(await session.send(`message ${number}`, { wait: false }));
    assert.deepEqual(new Set(waiting.map(({ status }) => status)), new Set(['queued']));
    await assert.rejects(session.send('one too many', { wait: false }), { name: 'CopilotError', type: 'QueueFull' });
    playTeam(world.model, { answer: 'quick' });
    assert.equal((await session.interrupt()).changed, true);
    const last = await session.awaitTurn(waiting.at(-1)?.id ?? '');
    assert.equal(last.status, 'completed');
    const { messages } = await session.transcript();
    const asked = messages.filter(({ role }) => role === 'user').map(({ text }) => text);
    assert.deepEqual(asked, ['first', ...Array.from({ length: 16 }, (_, index) => `message ${index + 1}`)]);
  });

  it('[C11] the first message is the initial task, later ones the current task, also over suspend and a new run', async () => {
    playTeam(world.model, { answer: 'ok' });
    const session = await world.copilot.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    await session.send('the first');
    await session.send('the second');
    const before = await session.context();
    assert.deepEqual(before.values, { initial_task: 'the first', current_task: 'the second' });
    const momentsOf = async () =>
      (await session.snapshots()).map(({ reason, metadata, also = [] }) => [
        [reason, metadata['turn']],
        ...also.map((at) => [at.reason, at.turn]),
      ]);
    const taken = await momentsOf();
    const around = (turn: number) => [
      ['before_one-shot_phase', turn],
      ['after_one-shot_phase', turn],
    ];
    assert.deepEqual(taken, [around(1), around(2)]);
    await assert.rejects(session.setContext('initial_task', 'another'), { type: 'ProtectedKey' });
    await session.suspend();
    await session.continue();
    assert.deepEqual(await session.context(), before);
    for (let turn = 3; (await session.info()).runs === 1; turn++) await session.send(`message ${turn}`);
    const { values, version } = await session.context();
    assert.equal(values['initial_task'], 'the first');
    assert.equal(values['current_task'], `message ${(await session.info()).turns}`);
    assert.equal(version, (await session.info()).turns);
    assert.deepEqual((await momentsOf()).slice(0, 2), taken);
  });

  it('a first message that its sender sends again while the session starts is answered once', async () => {
    playTeam(world.model, { answer: 'ok' });
    for (let number = 1; number <= 10; number++) {
      const id = `first-${number}`;
      // Updates that wait for the very first workflow task: they must find the message that came with the start.
      const session = await world.copilot.create({ id, mode: 'one-shot', message: 'hello', messageId: 'first' });
      const turns = await Promise.all([session.awaitTurn('turn-1'), session.send('hello', { messageId: 'first' })]);
      assert.deepEqual(
        turns.map((turn) => [turn.id, turn.status]),
        [
          ['turn-1', 'completed'],
          ['turn-1', 'completed'],
        ],
      );
      assert.equal((await session.info()).turns, 1);
    }
  });

  it('a message sent again and again, at once and after continue-as-new, is answered exactly once', async () => {
    playTeam(world.model, { answer: 'ok' });
    const session = await world.copilot.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    const first = await Promise.all([1, 2, 3].map(() => session.send('the same', { messageId: 'once' })));
    assert.deepEqual(new Set(first.map(({ id }) => id)), new Set(['turn-1']));
    for (let number = 2; number <= 8; number++) await session.send(`message ${number}`);
    assert.ok((await session.info()).runs > 1, 'the session should have continued as new');
    const again = await session.send('the same', { messageId: 'once' });
    assert.equal(again.id, 'turn-1');
    assert.equal(again.reply, 'ok');
    assert.equal((await session.info()).turns, 8);
  });
});

function kind(event: HistoryEvent): string {
  return String(event.eventType);
}

function bytes(events: readonly HistoryEvent[]): number {
  return events.reduce((sum, event) => sum + bytesOf(event), 0);
}

/** From the acceptance of the turn's message to the completion of its update. */
function eventsOfTurn(history: readonly HistoryEvent[], number: number): HistoryEvent[] {
  const id = `message-${String(number).padStart(4, '0')}`;
  const from = history.findIndex(
    (event) => event.workflowExecutionUpdateAcceptedEventAttributes?.protocolInstanceId === id,
  );
  const to = history.findIndex((event) => event.workflowExecutionUpdateCompletedEventAttributes?.meta?.updateId === id);
  assert.ok(from >= 0 && to > from, `turn ${number} is not in the history`);
  return history.slice(from, to + 1);
}
