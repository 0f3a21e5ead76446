/** Text that goes from the worker to followers directly, and by heartbeat to those that do not reach it. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient, type FollowEvent, type SessionHandle } from '../../src/client.ts';
import { isTurnEnd, screen, seqs } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { type GrpcProxy, startGrpcProxy } from '../helpers/grpc-proxy.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { freePort } from '../helpers/ports.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const HEARTBEAT = 'RecordActivityTaskHeartbeat';
const DESCRIBE = 'DescribeWorkflowExecution';

const answerOf = (words: number): string => Array.from({ length: words }, (_, n) => `word${n} `).join('');

describe('direct text', function () {
  this.timeout(120_000);
  let world: World;
  /** Counts the calls of workers, and those of followers. */
  let proxies: { readonly workers: GrpcProxy; readonly followers: GrpcProxy };
  /** Reaches workers. */
  let near: CopilotClient;
  /** Reads heartbeats only. */
  let far: CopilotClient;
  const sessions: SessionHandle[] = [];

  before(async () => {
    world = await startWorld({ workers: 0 });
    const { address } = world.server;
    proxies = { workers: await startGrpcProxy(address), followers: await startGrpcProxy(address) };
    near = await connect();
    far = await connect({ COPILOT_DIRECT_TEXT: '0' });
    await startWorker();
  });
  after(async () => {
    await near.close();
    await far.close();
    await Promise.all(world.workers.map((worker) => worker.kill()));
    await proxies.workers.close();
    await proxies.followers.close();
    await world.stop();
  });

  const connect = (changes: Record<string, string> = {}): Promise<CopilotClient> => {
    const config = isolatedConfig(world.server.homeDir, changes);
    return CopilotClient.connect({ config, address: proxies.followers.address });
  };
  const startWorker = (changes: Record<string, string> = {}) =>
    world.startWorker({ TEMPORAL_ADDRESS: proxies.workers.address, ...changes });
  const replaceWorker = async (changes: Record<string, string> = {}): Promise<void> => {
    await world.workers.at(-1)?.kill();
    await startWorker(changes);
  };

  async function ask(words: number, wordDelayMs: number): Promise<{ session: SessionHandle; answer: string }> {
    const answer = answerOf(words);
    playTeam(world.model, { answer, wordDelayMs });
    const session = await world.copilot.create({ mode: 'one-shot', message: 'tell me' });
    sessions.push(session);
    return { session, answer };
  }

  const count = ({ calls }: GrpcProxy, name: string): number => calls.filter((call) => call === name).length;

  /** Follows a turn. Counts heartbeats and looks while the text is in full flow, between two of its words. */
  async function watch(client: CopilotClient, { id }: SessionHandle, { from, to }: { from: string; to: string }) {
    const events: FollowEvent[] = [];
    const state = () => ({
      at: performance.now(),
      heartbeats: count(proxies.workers, HEARTBEAT),
      looks: count(proxies.followers, DESCRIBE),
      pieces: events.filter(({ type }) => type === 'token').length,
    });
    let begin: ReturnType<typeof state> | undefined;
    let end: ReturnType<typeof state> | undefined;
    for await (const event of client.session(id).follow({ from: 0 })) {
      events.push(event);
      const text = screen(events);
      if (text.includes(from)) begin ??= state();
      if (text.includes(to)) end ??= state();
      if (isTurnEnd(event)) break;
    }
    assert.ok(begin && end);
    return {
      events,
      seconds: (end.at - begin.at) / 1_000,
      heartbeats: end.heartbeats - begin.heartbeats,
      looks: end.looks - begin.looks,
      pieces: end.pieces - begin.pieces,
    };
  }

  const FLOW = { from: 'word20 ', to: 'word139 ' };

  it('[G04] comes word by word, at a heartbeat in 2 s and a look in 5 s', async () => {
    const { session, answer } = await ask(190, 50);
    // On a slow machine the follower needs some time to find the worker.
    const flow = { from: 'word60 ', to: 'word180 ' };
    const { events, seconds, heartbeats, looks, pieces } = await watch(near, session, flow);
    assert.equal(screen(events), answer);
    assert.ok(!events.some(({ type }) => type === 'reset'));
    assert.ok(pieces >= 60, `${pieces} pieces of 120 words`);
    assert.ok(heartbeats <= 2 + seconds / 2, `${heartbeats} heartbeats in ${seconds} s`);
    assert.ok(looks <= 2 + seconds / 5, `${looks} looks in ${seconds} s`);
  });

  it('[G04] comes as before, a heartbeat in 100 ms, to a follower that does not reach the worker', async () => {
    const { session, answer } = await ask(150, 50);
    const { events, seconds, heartbeats, pieces } = await watch(far, session, FLOW);
    assert.equal(screen(events), answer);
    assert.ok(heartbeats >= 2 * seconds, `${heartbeats} heartbeats in ${seconds} s`);
    assert.ok(pieces >= 2 * seconds, `${pieces} pieces in ${seconds} s`);
  });

  itInFull('[G04] keeps the pace of each when one follower reaches the worker and another does not', async () => {
    const { session, answer } = await ask(150, 50);
    const [direct, indirect] = await Promise.all([watch(near, session, FLOW), watch(far, session, FLOW)]);
    assert.equal(screen(direct.events), answer);
    assert.equal(screen(indirect.events), answer);
    assert.ok(direct.pieces >= 60, `${direct.pieces} pieces of 120 words`);
    const { pieces, heartbeats, seconds } = indirect;
    assert.ok(pieces >= 2 * seconds, `${pieces} pieces in ${seconds} s`);
    assert.ok(heartbeats >= 2 * seconds, `${heartbeats} heartbeats in ${seconds} s`);
  });

  itInFull('[G04] costs a heartbeat in 2 s while nobody follows, and an interrupt does not wait for it', async () => {
    const asked = world.model.requests.length;
    const { session } = await ask(400, 50);
    await until('the model writes', async () => (world.model.requests.length > asked ? true : undefined));
    // The first 2 s are for followers that come.
    await sleep(4_000);
    const [beganAt, before] = [performance.now(), count(proxies.workers, HEARTBEAT)];
    await sleep(5_000);
    const seconds = (performance.now() - beganAt) / 1_000;
    const heartbeats = count(proxies.workers, HEARTBEAT) - before;
    assert.ok(heartbeats <= 2 + seconds / 2, `${heartbeats} heartbeats in ${seconds} s`);
    const heartbeat = async (): Promise<number> => {
      const seen = count(proxies.workers, HEARTBEAT);
      await until('a heartbeat', async () => (count(proxies.workers, HEARTBEAT) > seen ? true : undefined));
      return performance.now();
    };
    const latestAt = await heartbeat();
    const next = heartbeat();
    await session.interrupt();
    const waitedMs = (await next) - latestAt;
    assert.ok(waitedMs < 1_500, `the next heartbeat came ${waitedMs} ms after the one before`);
  });

  it('[G04] [R05] is the same for a follower that reaches the worker and one that does not, after the worker was killed', async () => {
    const { session, answer } = await ask(60, 150);
    const follow = async (client: CopilotClient, seen: FollowEvent[]): Promise<void> => {
      for await (const event of client.session(session.id).follow({ from: 0 })) {
        seen.push(event);
        if (isTurnEnd(event)) return;
      }
    };
    const [direct, indirect]: [FollowEvent[], FollowEvent[]] = [[], []];
    const following = Promise.all([follow(near, direct), follow(far, indirect)]);
    await until('both have text', async () =>
      screen(direct).includes('word5') && screen(indirect) !== '' ? true : undefined,
    );
    playTeam(world.model, { answer, wordDelayMs: 30 });
    await replaceWorker();
    await following;
    for (const events of [direct, indirect]) {
      assert.equal(screen(events), answer);
      assert.equal(events.filter(({ type }) => type === 'reset').length, 1);
      assert.deepEqual(
        seqs(events),
        seqs(events).map((_, n) => n),
      );
    }
  });

  it('[G04] does not delay an interrupt by whomever: the worker looks at once, and the partial text is kept', async () => {
    const { session } = await ask(400, 50);
    let asked: Promise<unknown> | undefined;
    let [beats, latestAt] = [0, 0];
    const events: FollowEvent[] = [];
    let waitedMs = 0;
    for await (const event of near.session(session.id).follow({ from: 0 })) {
      events.push(event);
      if (isTurnEnd(event)) break;
      const now = count(proxies.workers, HEARTBEAT);
      if (now > beats) {
        if (asked) waitedMs ||= performance.now() - latestAt;
        // Right after a heartbeat the next one is furthest away.
        else if (screen(events).includes('word30')) {
          latestAt = performance.now();
          asked = far.session(session.id).interrupt();
        }
        beats = now;
      }
    }
    await asked;
    const [turn] = await session.turns();
    assert.equal(turn?.status, 'interrupted');
    assert.ok(waitedMs === 0 || waitedMs < 1_500, `the next heartbeat came ${waitedMs} ms after the one before`);
    assert.ok(screen(events).startsWith('word0 word1 '));
  });

  itInFull('[G04] comes as before when nothing listens at the address in the heartbeat', async () => {
    await replaceWorker({ COPILOT_DIRECT_TEXT_URL: `http://127.0.0.1:${await freePort()}` });
    const misled = await connect();
    const { session, answer } = await ask(80, 50);
    const { events, seconds, heartbeats, pieces } = await watch(misled, session, { from: 'word10 ', to: 'word70 ' });
    await misled.close();
    assert.equal(screen(events), answer);
    assert.ok(heartbeats >= 2 * seconds, `${heartbeats} heartbeats in ${seconds} s`);
    assert.ok(pieces >= 2 * seconds, `${pieces} pieces in ${seconds} s`);
  });

  it('[G04] leaves nothing of its tokens in any history or log', async () => {
    for (const worker of world.workers) assert.doesNotMatch(worker.log(), /\/calls\//);
    for (const { id } of sessions) {
      const payloads = textsIn(await fullHistory(world.temporal, id));
      assert.ok(payloads.some((text) => text.includes('tell me')));
      assert.deepEqual(
        payloads.filter((text) => text.includes('/calls/')),
        [],
      );
    }
  });
});

/** What bytes say, however deep they lie. */
function textsIn(value: unknown): string[] {
  if (value instanceof Uint8Array) return [Buffer.from(value).toString()];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
