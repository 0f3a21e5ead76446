/** What suspends, resumes, interrupts and ends a session, also at awkward moments. Real server, real worker process. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FollowEvent } from '../../src/client.ts';
import { SessionExport } from '../../src/contracts/export.ts';
import { collect } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { itInFull } from '../helpers/full.ts';
import { startWorld, type World } from '../helpers/world.ts';

const WORDS = 'word '.repeat(2_000);

describe('states', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const running = (session: { info(): Promise<{ phase: string | null }> }, phase: string) =>
    until(phase, async () => (await session.info()).phase === phase);

  it('suspending at once stops the model, and continuing asks it again and keeps one answer', async () => {
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const outcome = session.send('talk');
    await running(session, 'one-shot');
    const request = await until('a request', async () => world.model.requests.at(-1));
    await session.suspend({ now: true, reason: 'lunch' });
    assert.equal((await outcome).status, 'suspended');
    await request.ended;
    assert.equal(request.closedByClient, true);
    const { status, suspendReason } = await session.info();
    assert.deepEqual([status, suspendReason], ['suspended', 'lunch']);
    await assert.rejects(session.send('are you there?'), { type: 'WrongState' });

    playTeam(world.model, { answer: 'after lunch' });
    assert.deepEqual(await session.continue(), { changed: true, status: 'active' });
    const turn = await session.awaitTurn('turn-1');
    assert.deepEqual([turn.status, turn.reply], ['completed', 'after lunch']);
    const { messages } = await session.transcript();
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['talk', 'after lunch'],
    );
  });

  itInFull(
    'a turn that is interrupted while the session is suspended ends, and the session stays suspended',
    async () => {
      playTeam(world.model, { files: ['a.txt', 'b.txt'], delayMs: 100_000 });
      const session = await world.copilot.create({ message: 'write' });
      await running(session, 'executing');
      await session.suspend();
      await session.interrupt();
      await until('the end of the turn', async () => (await session.turns())[0]?.status === 'interrupted');
      assert.equal((await session.info()).status, 'suspended');
      assert.deepEqual(await session.continue(), { changed: true, status: 'active' });
      assert.equal((await session.turns())[0]?.status, 'interrupted');
    },
  );

  it('completing a session in the middle of a turn keeps what the turn had, and reading still works', async () => {
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'talk' });
    await running(session, 'one-shot');
    let seen = 0;
    await collect(session, ({ type }) => type === 'token' && (seen += 1) === 3, 0);
    assert.deepEqual(await session.complete(), { changed: true, status: 'completed' });
    const handle = world.temporal.workflow.getHandle(session.id);
    const result = (await handle.result()) as { info: { status: string; turns: number } };
    assert.equal(result.info.status, 'completed');
    const [turn] = await session.turns();
    assert.equal(turn?.status, 'interrupted');
    assert.match(turn?.reply ?? '', /^word word/);
    const archived = join(world.server.homeDir, 'archive', `${session.id}.json`);
    const file = SessionExport.parse(JSON.parse(await readFile(archived, 'utf8')));
    assert.deepEqual(
      [file.session.id, file.session.status, file.conversation[1]?.text],
      [session.id, 'completed', turn?.reply],
    );
    await assert.rejects(session.send('more'), { type: 'SessionClosed' });
  });

  it('cancelling the workflow from outside completes the session in good order', async () => {
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'talk' });
    let seen = '';
    const isSaid = (event: FollowEvent): boolean => event.type === 'token' && /^(\w+ ){5,}/.test((seen += event.text));
    await collect(session, isSaid, 0);
    await world.temporal.workflow.getHandle(session.id).cancel();
    await until('the end', async () => (await session.describe()).isClosed);
    const { status, notes } = await session.info();
    assert.equal(status, 'completed');
    assert.equal(notes.filter(({ text }) => text.includes('cancelled from outside')).length, 1);
    const [turn] = await session.turns();
    assert.equal(turn?.status, 'interrupted');
    assert.ok(turn.reply.startsWith(seen.trimEnd()), `${JSON.stringify(turn.reply)} has ${JSON.stringify(seen)}`);
  });

  it('a plan longer than a run moves to a new run between its steps, and its caller notices nothing', async () => {
    const files = Array.from({ length: 8 }, (_, index) => `file-${index + 1}.txt`);
    playTeam(world.model, { files, answer: 'all there' });
    const session = await world.copilot.create({ config: { historyLimit: 40 } });
    const before = callsOf(world.model).length;
    const turn = await session.send('write many files');
    assert.deepEqual([turn.status, turn.reply], ['completed', 'all there']);
    assert.deepEqual(turn.artifacts, files);
    assert.deepEqual(callsOf(world.model).slice(before), [
      'inline',
      'review',
      ...files.flatMap((file) => [`step write ${file}`, 'step (tool)']),
      'answer',
    ]);
    const { runs, status } = await session.info();
    assert.ok(runs >= 3, `${runs} runs`);
    assert.equal(status, 'active');
    // What lists know is carried too.
    const { sessions } = await world.copilot.list({ mode: 'copilot', status: 'active' });
    assert.ok(sessions.some(({ id }) => id === session.id));
  });

  itInFull('a conversation that has grown past 48,000 tokens goes on with its newest messages', async () => {
    playTeam(world.model, { answer: 'noted' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const long = (number: number) => `message ${number} ${'x'.repeat(30_000)}`;
    for (let number = 1; number <= 8; number++) assert.equal((await session.send(long(number))).status, 'completed');
    const { messages, address } = await session.transcript();
    assert.ok(address.epoch >= 1);
    assert.match(messages[0]?.text ?? '', /^\[Summary of \d+ earlier messages of this conversation\]\nnoted$/);
    assert.ok(messages.at(-2)?.text.startsWith('message 8 '));
    const prompt = JSON.stringify(world.model.requests.at(-1)?.body.messages);
    assert.ok(prompt.length < 220_000, `${prompt.length}`);
    assert.equal((await session.send('and still')).reply, 'noted');
  });

  it('continue from the plain client may bring a message', async () => {
    playTeam(world.model, { answer: 'hello' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const handle = world.temporal.workflow.getHandle(session.id);
    await handle.signal('suspend');
    await handle.signal('continue', { message: 'hi there' });
    const turn = await session.awaitTurn('turn-1');
    assert.deepEqual([turn.status, turn.reply], ['completed', 'hello']);
    const message = { args: [{ text: 'no id given' }] as [object], updateId: 'mine' };
    const sent = await handle.executeUpdate<{ messageId: string }, [object]>('send', message);
    assert.equal(sent.messageId, 'mine');
  });

  it('an active session that nobody writes to expires, a suspended one does not, and a turn adds no timer', async () => {
    playTeam(world.model, { answer: 'hello' });
    const config = { idleTimeoutMs: 5_000 };
    const idle = await world.copilot.create({ mode: 'one-shot', config });
    const suspended = await world.copilot.create({ mode: 'one-shot', config });
    const busy = await world.copilot.create({ mode: 'one-shot', config });
    await idle.send('hi');
    await suspended.suspend();
    // Longer than the timeout in all, and never that long without a message.
    for (let number = 1; number <= 11; number++) {
      await busy.send(`message ${number}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    await until('expired', async () => (await idle.describe()).isClosed);
    const { status, phase } = await idle.info();
    assert.deepEqual([status, phase], ['expired', 'idle']);
    await assert.rejects(idle.send('too late'), { type: 'SessionClosed' });
    await until('listed so', async () =>
      (await world.copilot.list({ status: 'expired' })).sessions.some(({ id }) => id === idle.id),
    );
    assert.equal((await suspended.info()).status, 'suspended');
    assert.equal((await busy.info()).status, 'active');
    const { events } = await world.temporal.workflow.getHandle(busy.id).fetchHistory();
    const timers = (events ?? []).filter(({ timerStartedEventAttributes }) => timerStartedEventAttributes);
    assert.ok(timers.length <= 8, `${timers.length} timers for 11 turns`);
  });
});
