/** Followers of sessions on a real server, with real worker processes that are killed. */
import assert from 'node:assert/strict';
import { CopilotClient, type FollowEvent } from '../../src/client.ts';
import { collect, fails, isTurnEnd, screen, seqs } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { startGrpcProxy } from '../helpers/grpc-proxy.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('follow', function () {
  this.timeout(120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld();
    client = world.copilot;
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  itInFull(
    'gives the text of a slow reply while it is written, once and whole, with no event in history for it',
    async () => {
      const answer = Array.from({ length: 160 }, (_, n) => `word${n} `).join('');
      playTeam(world.model, { answer, wordDelayMs: 50 });
      const session = await client.create({ mode: 'one-shot', message: 'tell me' });
      let isWritten = false;
      let early = 0;
      const events = await collect(
        session,
        (event) => {
          if (event.type === 'token' && !isWritten) {
            early += 1;
            void world.model.requests.at(-1)?.ended.then(() => (isWritten = true));
          }
          return isTurnEnd(event);
        },
        0,
      );
      assert.equal(screen(events), answer);
      assert.ok(early >= 3, `${early} pieces of a reply that takes 8 s came before it was written`);
      assert.ok(!events.some(({ type }) => type === 'reset'));
      assert.deepEqual(
        seqs(events),
        seqs(events).map((_, n) => n),
      );
      const { length } = await fullHistory(world.temporal, session.id);
      playTeam(world.model, { answer: 'short' });
      const quick = await client.create({ mode: 'one-shot' });
      await quick.send('tell me');
      const quickLength = (await fullHistory(world.temporal, quick.id)).length;
      // The one began with its message, the other was sent it; apart from that a slow turn has the events of a quick one.
      assert.ok(length <= quickLength, `${length} events against ${quickLength}`);
    },
  );

  itInFull('[R05] gives each text once after the worker died in the middle of it', async () => {
    const answer = Array.from({ length: 30 }, (_, n) => `word${n} `).join('');
    playTeam(world.model, { answer, wordDelayMs: 200 });
    const session = await client.create({ mode: 'one-shot', message: 'tell me' });
    let isKilled = false;
    const events: FollowEvent[] = [];
    for await (const event of session.follow({ from: 0 })) {
      events.push(event);
      if (event.type === 'token' && !isKilled) {
        isKilled = true;
        await world.workers[0]?.kill();
        playTeam(world.model, { answer, wordDelayMs: 20 });
        await world.startWorker();
      }
      if (isTurnEnd(event)) break;
    }
    assert.equal(events.filter(({ type }) => type === 'reset').length, 1);
    assert.equal(screen(events), answer);
    assert.deepEqual(
      seqs(events),
      seqs(events).map((_, n) => n),
    );
  });

  it('[G03] goes on after any event, in other clients, over a killed worker and from run to run', async () => {
    const answer = Array.from({ length: 30 }, (_, n) => `word${n} `).join('');
    playTeam(world.model, { answer, wordDelayMs: 60 });
    const { id } = await client.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    const turns = 6;
    const sending = (async () => {
      for (let n = 0; n < turns; n++) await client.session(id).send(`tell me ${n}`);
    })();
    const events: FollowEvent[] = [];
    let after: string | undefined;
    for (let part = 1; events.filter(isTurnEnd).length < turns; part++) {
      const other = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir),
        address: world.server.address,
      });
      const following = other.session(id).follow(after === undefined ? { from: 0 } : { after });
      let left = (part % 5) + 1;
      for await (const event of following) {
        events.push(event);
        left -= 1;
        if (left === 0 || events.filter(isTurnEnd).length === turns) break;
      }
      after = await following.cursor();
      await other.close();
      if (part === 8) {
        await world.workers.at(-1)?.kill();
        await world.startWorker();
      }
    }
    await sending;
    assert.ok((await client.session(id).info()).runs > 1);
    for (let turn = 0, from = 0; turn < turns; turn++) {
      const to = events.findIndex((event, n) => n >= from && isTurnEnd(event));
      assert.equal(screen(events.slice(from, to)), answer, `turn ${turn + 1}`);
      from = to + 1;
    }
    assert.deepEqual(
      seqs(events),
      seqs(events).map((_, n) => n),
    );
    await fails(
      (async () => {
        for await (const event of (await client.create()).follow({ after })) assert.fail(event.type);
      })(),
      'InvalidInput',
      /it is a cursor of session/,
    );
  });

  it('joins in the middle of a reply, and two followers see the same', async () => {
    const answer = Array.from({ length: 150 }, (_, n) => `word${n} `).join('');
    playTeam(world.model, { answer, wordDelayMs: 60 });
    const session = await client.create({ mode: 'one-shot', message: 'tell me' });
    for await (const event of session.follow({ from: 0 })) if (event.type === 'token') break;
    const [one, two] = await Promise.all([collect(session, isTurnEnd), collect(session, isTurnEnd)]);
    assert.equal(screen(one), answer);
    assert.equal(screen(two), answer);
  });

  itInFull('joins in a run that began in the middle of a turn', async () => {
    const answer = Array.from({ length: 150 }, (_, n) => `word${n} `).join('');
    const files = Array.from({ length: 8 }, (_, n) => `${n}.txt`);
    playTeam(world.model, { files, answer, wordDelayMs: 60 });
    const session = await client.create({ config: { historyLimit: 40 }, message: 'write them' });
    let said = '';
    for await (const event of session.follow({ from: 0 })) {
      if (event.type === 'token' && (said += event.text).includes('word0')) break;
    }
    const events = await collect(session, isTurnEnd);
    assert.ok((await session.info()).runs > 1);
    assert.ok(!events.some(({ type }) => type === 'turn-started'));
    assert.equal(screen(events), answer);
  });

  it('goes from run to run without gap or repetition, and gives all runs from the start', async () => {
    const session = await client.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    let ended = 0;
    const live = collect(session, (event) => event.type === 'turn-ended' && (ended += 1) === 8, 0);
    for (let n = 0; n < 8; n++) await session.send(`m${n}`);
    const events = await live;
    assert.ok((await session.info()).runs > 1);
    assert.deepEqual(
      seqs(events),
      seqs(events).map((_, n) => n),
    );
    let again = 0;
    const later = await collect(session, (event) => event.type === 'turn-ended' && (again += 1) === 8, 0);
    const lasting = (all: readonly FollowEvent[]) => all.filter((event) => 'seq' in event);
    assert.deepEqual(lasting(later), lasting(events));
  });

  it('ends when the session has ended and all was given, at once for one that ended before, and with its signal', async () => {
    const session = await client.create({ mode: 'one-shot' });
    const all = collect(session, () => false, 0);
    await session.send('hello');
    await session.complete();
    assert.deepEqual(
      (await all).slice(-2).map(({ type }) => type),
      ['turn-ended', 'session'],
    );
    assert.deepEqual(await collect(session, () => false), []);
    assert.equal((await collect(session, () => false, 0)).at(-1)?.type, 'session');
    const idle = await client.create();
    const seen: FollowEvent[] = [];
    for await (const event of idle.follow({ signal: AbortSignal.timeout(300) })) seen.push(event);
    assert.deepEqual(seen, []);
  });

  itInFull('[G04] gives the text of a reply while the server is away', async () => {
    const answer = Array.from({ length: 200 }, (_, n) => `word${n} `).join('');
    playTeam(world.model, { answer, wordDelayMs: 50 });
    const session = await client.create({ mode: 'one-shot', message: 'tell me' });
    const events: FollowEvent[] = [];
    let away: Promise<void> | undefined;
    let missed = '';
    for await (const event of session.follow({ from: 0 })) {
      events.push(event);
      if (isTurnEnd(event)) break;
      if (screen(events).includes('word20 ')) away ??= world.server.kill();
      // A look at the calls is due in the time between.
      if (away && missed === '' && screen(events).includes('word150 ')) {
        missed = screen(events);
        await away;
        await world.server.restart();
      }
    }
    assert.ok(missed.length < answer.length, 'the text came while the server was away');
    assert.equal(screen(events), answer);
    await world.reconnect();
    client = world.copilot;
  });

  it('costs one long poll and a sign of life in a minute while nothing happens, and reads heartbeats only while a model writes', async () => {
    const proxy = await startGrpcProxy(world.server.address);
    const watcher = await CopilotClient.connect({
      config: isolatedConfig(world.server.homeDir),
      address: proxy.address,
    });
    playTeam(world.model, { answer: 'word '.repeat(20), wordDelayMs: 100 });
    const session = await client.create({ mode: 'one-shot' });
    const watched = collect(watcher.session(session.id), isTurnEnd);
    const polling = () => proxy.calls.filter((call) => call === 'GetWorkflowExecutionHistory').length;
    await until('the follower waits', async () => polling() >= 2);
    let before: number;
    do {
      before = proxy.calls.length;
      // Longer than until the first sign of life.
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    } while (proxy.calls.length > before);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.deepEqual(proxy.calls.slice(before), []);

    await session.send('tell me');
    assert.equal(screen(await watched), 'word '.repeat(20));
    assert.ok(proxy.calls.slice(before).filter((call) => call === 'DescribeWorkflowExecution').length >= 2);
    await watcher.close();
    await proxy.close();
  });
});
