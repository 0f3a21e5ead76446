/** Interrupting and steering what runs, seen from the model's server, the session and its followers. */
import assert from 'node:assert/strict';
import type { FollowEvent, SessionHandle } from '../../src/client.ts';
import { collect, screen, seqs } from '../helpers/client.ts';
import { itInFull, someOf } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import type { RecordedRequest } from '../helpers/model-server.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const WORDS = Array.from({ length: 3_000 }, (_, index) => `word${index}`).join(' ');

describe('steering', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  /** Events until so many turns have ended. */
  async function follow(session: SessionHandle, turns: number): Promise<FollowEvent[]> {
    let ended = 0;
    return await collect(session, (event) => event.type === 'turn-ended' && (ended += 1) === turns, 0);
  }

  /** The first request for a message. */
  async function requestFor(message: string): Promise<RecordedRequest> {
    return await until(`the request for "${message}"`, async () =>
      world.model.requests.find(({ body }) => readCall(body).last === message),
    );
  }

  async function untilText(session: SessionHandle): Promise<void> {
    for await (const event of session.follow({ from: 0 })) {
      if (event.type === 'token' && event.text.includes('word')) return;
    }
  }

  it('[R04] interrupt stops the request to the provider and keeps the partial text; steer goes on with it, once, and followers see it so', async () => {
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const following = follow(session, 3);
    const talk = await session.send('talk', { wait: false });
    const waits = await session.send('this waits', { wait: false });
    const request = await requestFor('talk');
    await untilText(session);

    playTeam(world.model, { instead: ({ last }) => ({ text: `answer to ${last}` }) });
    const steering = { message: 'in short', messageId: 'steer-1' };
    const [one, other] = await Promise.all([session.interrupt(steering), session.interrupt(steering)]);
    const interrupted = await session.awaitTurn(talk.id);
    await request.ended;
    assert.equal(request.closedByClient, true);
    assert.equal(interrupted.status, 'interrupted');
    assert.ok(interrupted.reply.startsWith('word0 word1') && WORDS.startsWith(interrupted.reply.trimEnd()));
    assert.ok(interrupted.reply.length < WORDS.length);

    assert.ok(one.turn && other.turn);
    assert.equal(one.turn.id, other.turn.id, 'the same message is the same turn');
    const steered = await session.awaitTurn(one.turn.id);
    const last = await session.awaitTurn(waits.id);
    assert.deepEqual([steered.number, steered.reply], [2, 'answer to in short']);
    assert.deepEqual([last.number, last.reply], [3, 'answer to this waits']);
    const asked = (await requestFor('in short')).body;
    assert.deepEqual(readCall(asked).messages, [
      ['user', 'talk'],
      ['assistant', interrupted.reply],
      ['user', 'in short'],
    ]);

    const shown = `${interrupted.reply}${steered.reply}${last.reply}`;
    const events = await following;
    assert.equal(screen(events), shown);
    assert.deepEqual(
      seqs(events),
      [...seqs(events).keys()].map((index) => index + (seqs(events)[0] ?? 0)),
    );
    assert.equal(screen(await follow(session, 3)), shown, 'who comes later reads the same');
    // Sent again when all is over, it is still the same message.
    assert.equal((await session.interrupt(steering)).turn?.id, one.turn.id);
    assert.equal((await session.turns()).length, 3);
  });

  it('a steer in the middle of a plan keeps what is done, and the next turn knows of it', async () => {
    playTeam(world.model, {
      files: ['a.txt', 'b.txt'],
      instead: ({ phase, task, lastRole }) =>
        phase === 'step' && task === 'write b.txt' && lastRole === 'user'
          ? { text: WORDS, wordDelayMs: 50 }
          : undefined,
    });
    const session = await world.copilot.create({});
    const first = session.send('write two files');
    await until('the second step', async () => (await session.info()).step === 2);
    const request = await until('its request', async () =>
      world.model.requests.find(({ body }) => readCall(body).task === 'write b.txt'),
    );
    playTeam(world.model, { answer: 'fine' });
    const { turn } = await session.interrupt({ message: 'leave the second one' });
    const interrupted = await first;
    await request.ended;
    assert.equal(request.closedByClient, true);
    assert.equal(interrupted.status, 'interrupted');
    assert.deepEqual(
      interrupted.steps.map(({ status }) => status),
      ['completed', 'pending'],
    );
    assert.deepEqual(interrupted.artifacts, ['a.txt']);
    assert.ok(turn);
    assert.equal((await session.awaitTurn(turn.id)).reply, 'fine');
    const [, said] = readCall((await requestFor('leave the second one')).body).messages;
    assert.equal(said?.[0], 'assistant');
    assert.match(said?.[1] ?? '', /a\.txt/);
  });

  itInFull('a steer is carried out though the worker dies at that moment', async () => {
    playTeam(world.model, {
      answer: 'short',
      instead: ({ last }) => (last === 'talk on' ? { text: WORDS, wordDelayMs: 50 } : undefined),
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const first = session.send('talk on');
    const request = await requestFor('talk on');
    await untilText(session);
    const steering = session.interrupt({ message: 'in short, please' });
    const replaced = world.startWorker();
    await world.workers[0]?.kill();
    await replaced;
    await request.ended;
    const { turn } = await steering;
    assert.ok(turn);
    assert.equal((await session.awaitTurn(turn.id)).reply, 'short');
    assert.equal((await first).status, 'interrupted');
    assert.equal((await session.turns()).length, 2);
  });

  for (const stop of someOf(['interrupt', 'suspend'] as const, 1)) {
    it(`[R04] ${stop} holds where the worker of the call is dead and cannot hear of it`, async () => {
      playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
      const session = await world.copilot.create({ mode: 'one-shot' });
      const { id } = await session.send('talk', { wait: false });
      await untilText(session);
      const calling = world.workers.at(-1);
      await world.startWorker();
      await calling?.kill();
      if (stop === 'interrupt') await session.interrupt();
      else await session.suspend({ now: true });
      const { events } = await world.temporal.workflow.getHandle(session.id).fetchHistory();
      assert.ok(events?.some((event) => event.activityTaskCancelRequestedEventAttributes));
      playTeam(world.model, { answer: 'short' });
      if (stop === 'suspend') {
        await until('the end of the call', async () => (await session.info()).pendingCalls.length === 0);
        assert.notEqual((await session.turns()).at(-1)?.status, 'failed');
        await session.continue();
      }
      const { status, error } = await session.awaitTurn(id);
      assert.deepEqual([status, error], [stop === 'interrupt' ? 'interrupted' : 'completed', undefined]);
      assert.equal((await session.send('and now?')).reply, 'short');
    });
  }
});
