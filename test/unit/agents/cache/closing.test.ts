import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResolvedTeam } from '../../../../src/contracts/team.ts';
import { closeWorlds, noFetch, otherTeam, use, world } from './cache-world.ts';
import { removeFolders, smallTeam } from '../files/team-folder.ts';

describe('agents: entries that are closed by hand', () => {
  let team: ResolvedTeam;
  let other: ResolvedTeam;
  before(async () => {
    [team, other] = await Promise.all([smallTeam(), otherTeam('a')]);
  });
  afterEach(closeWorlds);
  after(removeFolders);

  const keyOf = ({ definition, digest }: ResolvedTeam): string => `${definition.name}@${digest}`;
  const given = (resolved: ResolvedTeam) => () => Promise.resolve(resolved);

  it('are closed when the call returns, and opened again by the next use', async () => {
    const { cache, opened, closed } = world({ poolSize: 2 });
    for (const session of ['s1', 's2']) await use(cache, session, team);
    await use(cache, 's1', other);
    assert.deepEqual(await cache.closeEntries({ key: keyOf(team) }), {
      closed: [keyOf(team)],
      waiting: [],
      failures: 0,
    });
    assert.deepEqual(closed, opened.slice(0, 2));
    assert.deepEqual([cache.stats().instances, cache.stats().evictions], [1, 1]);
    assert.equal(await use(cache, 's1', team), opened[3]);
  });

  it('are found by the key as it is listed, by 8 digits of the digest and no fewer, by session, and all together', async () => {
    const { cache } = world();
    const lists: string[][] = [];
    const short = team.digest.slice(0, 8);
    for (const request of [
      { key: `small@${short}` },
      { key: `small@${short.slice(0, 7)}` },
      { key: `@${short}` },
      { key: 'writer#s1' },
      { digest: short },
      { session: 's2' },
      { all: true },
    ] as const) {
      for (const session of ['s1', 's2']) {
        await cache.withTeam(
          session,
          team.digest,
          given(team),
          async ({ agent }) => void agent('writer', { temperature: 1 }),
        );
      }
      await use(cache, 's1', other);
      lists.push((await cache.closeEntries(request)).closed.toSorted());
    }
    const own = ['writer#s1', 'writer#s2'];
    assert.deepEqual(lists, [
      [keyOf(team)],
      [],
      [],
      ['writer#s1'],
      [keyOf(team), ...own],
      ['writer#s2'],
      [keyOf(team), keyOf(other), ...own].toSorted(),
    ]);
    assert.deepEqual(cache.entries(), []);
  });

  it('stay open while they are used, take no new calls, and are closed by the end of the last lease', async () => {
    const { cache, opened, closed } = world();
    const lease = await cache.lease('s1', team.digest, given(team));
    const second = await cache.lease('s2', team.digest, noFetch);
    assert.deepEqual(await cache.closeEntries({ all: true }), { closed: [], waiting: [keyOf(team)], failures: 0 });
    assert.deepEqual(
      cache.entries().map((entry) => entry.kind === 'shared' && [entry.leases, entry.isClosing]),
      [[2, true]],
    );
    assert.equal(await use(cache, 's3', team), opened[1]);
    lease.release();
    await sleep(0);
    assert.deepEqual(closed, []);
    second.release();
    await sleep(0);
    assert.deepEqual([closed, cache.stats().instances, cache.stats().evictions], [[opened[0]], 1, 1]);
  });

  it('are closed at once by force, also where they waited to be free', async () => {
    const { cache, opened, closed } = world();
    const lease = await cache.lease('s1', team.digest, given(team));
    await cache.closeEntries({ all: true });
    assert.deepEqual(await cache.closeEntries({ key: keyOf(team), force: true }), {
      closed: [keyOf(team)],
      waiting: [],
      failures: 0,
    });
    assert.deepEqual([closed, cache.stats().evictions], [[opened[0]], 1]);
    lease.release();
    assert.deepEqual([closed.length, cache.entries()], [1, []]);
  });

  it('are closed too where a lease was still waiting for its definition, and then opened them', async () => {
    const { cache, opened, closed } = world();
    const leasing = cache.lease('s1', team.digest, async () => {
      await sleep(20);
      return team;
    });
    await cache.closeEntries({ all: true, force: true });
    const lease = await leasing;
    assert.deepEqual([opened.length, closed], [1, []]);
    lease.release();
    await sleep(0);
    assert.deepEqual([closed, cache.entries()], [opened, []]);
  });

  it('that fail to close are counted in the answer and the statistics, and the others are closed', async () => {
    const made = world({ closeMs: 30 });
    for (const resolved of [team, other]) await use(made.cache, 's', resolved);
    made.onClose = (id) => (id === made.opened[0] ? new Promise(() => undefined) : Promise.resolve());
    const { closed, failures } = await made.cache.closeEntries({ all: true });
    assert.deepEqual([closed.length, failures, made.cache.stats().closeFailures], [2, 1, 1]);
    assert.deepEqual(made.closed.toSorted(), made.opened.toSorted());
  });

  it('that are still in use when the worker stops are closed with it', async () => {
    const { cache, opened, closed } = world({ closeMs: 30 });
    await cache.lease('s1', team.digest, given(team));
    await cache.closeEntries({ all: true });
    await cache.close();
    assert.deepEqual([closed, cache.stats().instances], [opened, 0]);
  });
});
