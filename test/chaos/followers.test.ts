/**
 * Followers of the gateway's server-sent events, while worker, gateway and server are killed in turn. Each follower leaves
 * after a few events, and comes back with the last id that it has.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FollowEvent } from '../../src/client.ts';
import { collect, isTurnEnd, screen } from '../helpers/client.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../helpers/gateway.ts';
import { isFull } from '../helpers/full.ts';
import { seed, seededRandom } from '../helpers/random.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const SESSIONS = isFull ? 5 : 2;
const FOLLOWERS = isFull ? 20 : 5;
const LASTS_MS = isFull ? 120_000 : 10_000;
const PAUSE_MS = 2_000;
/** Short runs, so that followers pass from one to the next. */
const HISTORY_LIMIT = 40;
const MIN_TURNS = 6;
const WORDS = 40;
const WORD_MS = 25;

const answerTo = (message: string): string =>
  Array.from({ length: WORDS }, (_, n) => `${message.replaceAll(' ', '-')}-${n} `).join('');

/** Those that are in the session's own record. */
const numbered = (events: readonly FollowEvent[]): FollowEvent[] => events.filter((event) => 'seq' in event);

describe('followers of the gateway', function () {
  this.timeout(LASTS_MS + 300_000);
  let world: World;
  let gateway: TestGateway;
  let ada: Caller;

  before(async () => {
    world = await startWorld();
    const key = await addKey(world, 'ada');
    gateway = await startGatewayProcess(world);
    ada = new Caller(gateway.url, key);
    playTeam(world.model, { instead: ({ last }) => ({ text: answerTo(last), wordDelayMs: WORD_MS }) });
  });
  after(async () => {
    await gateway?.kill();
    await world?.stop();
  });

  async function newSession(): Promise<string> {
    const options = { mode: 'one-shot', config: { historyLimit: HISTORY_LIMIT } };
    const { status, body } = await ada.call<{ id: string }>('POST', '/v1/sessions', options);
    assert.equal(status, 201);
    return body.id;
  }

  /** Everything that one follower gets until the session has ended. */
  async function followToEnd(id: string, random: () => number): Promise<FollowEvent[]> {
    const events: FollowEvent[] = [];
    let lastId: string | undefined;
    for (;;) {
      const leave = new AbortController();
      let left = 1 + Math.floor(random() ** 3 * 400);
      try {
        const query = lastId === undefined ? '?from=0' : '';
        for await (const { id: cursor, event } of ada.events(id, { lastId, query, signal: leave.signal })) {
          events.push(event);
          lastId = cursor;
          if (event.type === 'session' && event.status === 'completed') return events;
          if (--left === 0) break;
        }
      } catch {
        await sleep(100 + 400 * random());
      } finally {
        leave.abort();
      }
    }
  }

  /** Sends one message after the other, each as often as it takes, until time is up. @returns how many */
  async function talk(id: string, until: number): Promise<number> {
    let sent = 0;
    for (; sent < MIN_TURNS || Date.now() < until; sent++) {
      await insist(async () => {
        await world.copilot.session(id).send(`message ${sent}`, { messageId: `m${sent}` });
      });
    }
    await insist(async () => {
      await world.copilot.session(id).complete();
    });
    return sent;
  }

  async function insist(work: () => Promise<void>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries === 20) throw error;
        await sleep(500);
      }
    }
  }

  const kills: Record<string, () => Promise<void>> = {
    worker: async () => {
      await world.workers.at(-1)?.kill();
      await world.startWorker();
    },
    gateway: async () => {
      const { port } = new URL(gateway.url);
      await gateway.kill();
      gateway = await startGatewayProcess(world, Number(port));
    },
    server: async () => {
      await world.server.kill();
      await world.server.restart();
    },
  };

  it(`[G03] ${FOLLOWERS} followers on ${SESSIONS} sessions, ${LASTS_MS / 1_000} s of kills (seed ${seed}): each has the events and texts of its session, once`, async () => {
    const random = seededRandom(seed);
    const ids = await Promise.all(Array.from({ length: SESSIONS }, newSession));
    const followers = Array.from({ length: FOLLOWERS }, async (_, n) => {
      const id = ids[n % SESSIONS] ?? '';
      return { id, events: await followToEnd(id, seededRandom(seed + n + 1)) };
    });
    const until = Date.now() + LASTS_MS;
    const talks = ids.map((id) => talk(id, until));
    let killed = 0;
    for (let round = 0; round === 0 || Date.now() < until; round++) {
      for (const kill of Object.values(kills)) {
        await sleep(PAUSE_MS * (0.5 + random()));
        await kill();
        killed += 1;
      }
    }
    const sent = await Promise.all(talks);
    console.log(`      ${killed} kills, ${sent.join(' + ')} turns`);
    for (const { id, events } of await Promise.all(followers)) {
      assert.deepEqual(numbered(events), numbered(await collect(world.copilot.session(id), () => false, 0)));
      const turns = sent[ids.indexOf(id)] ?? 0;
      for (let turn = 0, from = 0; turn < turns; turn++) {
        const to = events.findIndex((event, n) => n >= from && isTurnEnd(event));
        assert.equal(screen(events.slice(from, to)), answerTo(`message ${turn}`), `turn ${turn + 1}`);
        from = to + 1;
      }
      assert.equal(events.filter(isTurnEnd).length, turns);
    }
    for (const id of ids) assert.ok((await world.copilot.session(id).info()).runs > 1, 'more runs than one');
  });
});
