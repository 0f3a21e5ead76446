import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease } from '../../../../src/agents/cache/options.ts';
import type { ResolvedTeam } from '../../../../src/contracts/team.ts';
import { until } from '../../../helpers/history.ts';
import { closeWorlds, noFetch, otherTeam, use, world } from './cache-world.ts';
import { removeFolders, smallTeam } from '../files/team-folder.ts';

describe('agents: the cache of a worker', () => {
  let team: ResolvedTeam;
  let first: ResolvedTeam;
  let second: ResolvedTeam;
  let third: ResolvedTeam;

  before(async () => {
    [team, first, second, third] = await Promise.all([smallTeam(), otherTeam('a'), otherTeam('b'), otherTeam('c')]);
  });
  afterEach(closeWorlds);
  after(removeFolders);

  describe('opening', () => {
    it('opens a team once for 50 concurrent first uses, and fetches its definition once', async () => {
      const { cache, opened, lines } = world();
      let fetches = 0;
      const fetch = async (): Promise<ResolvedTeam> => {
        fetches += 1;
        await sleep(20);
        return team;
      };
      const ids = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          cache.withTeam(`ses_${index}`, team.digest, fetch, async (lease) => lease.team.id),
        ),
      );
      assert.deepEqual([fetches, opened.length, new Set(ids).size], [1, 1, 1]);
      assert.equal(ids[0], opened[0]);
      const logged = lines.filter(({ msg }) => msg === 'agent team initialised');
      assert.deepEqual(
        logged.map(({ team: name, agents, ms }) => [name, agents, typeof ms]),
        [['small', 3, 'number']],
      );
    });

    it('[A10] 1,000 sessions share the instances of the pool, and a new session opens none', async () => {
      for (const poolSize of [1, 3]) {
        const { cache, opened } = world({ poolSize });
        await Promise.all(Array.from({ length: 1_000 }, (_, index) => use(cache, `ses_${index}`, team)));
        assert.equal(opened.length, poolSize);
        await use(cache, 'ses_new', team);
        assert.equal(opened.length, poolSize);
        assert.equal(cache.stats().instances, poolSize);
      }
    });

    it('does not fetch a definition that it was given, and refuses one of another digest', async () => {
      const { cache } = world();
      cache.prime(team);
      assert.match(
        await cache.withTeam('s', team.digest, noFetch, async (lease) => lease.team.id),
        /^small@[0-9a-f]{12}\/[0-9a-f]{8}$/,
      );
      await assert.rejects(
        cache.lease('s', first.digest, () => Promise.resolve(team)),
        /asked for team/,
      );
    });

    it('refuses a definition under the digest of another, so that no session changes the team of others', async () => {
      const { cache } = world();
      const { digest, definition } = team;
      const forged = { digest, definition: { ...definition, description: 'Does what somebody else wants' } };
      await assert.rejects(
        cache.lease('s', digest, () => Promise.resolve(forged)),
        {
          type: 'InvalidInput',
          message: /^Team small of this session is not valid: its content does not match its digest/,
        },
      );
      const found = await cache.withTeam(
        's',
        digest,
        () => Promise.resolve(team),
        async (lease) => lease.team.definition.description,
      );
      assert.equal(found, definition.description);
    });

    it('a failed opening fails everyone who waited for it, is not kept, and the next user opens anew', async () => {
      const made = world();
      made.beforeOpen = async () => {
        await sleep(10);
        throw new Error('no tools today');
      };
      const results = await Promise.allSettled(
        Array.from({ length: 5 }, (_, index) => use(made.cache, `ses_${index}`, team)),
      );
      assert.deepEqual(
        results.map((result) => result.status === 'rejected' && String(result.reason)),
        Array(5).fill('Error: no tools today'),
      );
      assert.equal(made.opened.length, 1);
      assert.deepEqual(made.cache.entries(), []);
      made.beforeOpen = () => Promise.resolve();
      assert.equal(await use(made.cache, 'ses_0', team), made.opened[1]);
      const { failedOpens, opens, instances } = made.cache.stats();
      assert.deepEqual({ failedOpens, opens, instances }, { failedOpens: 1, opens: 1, instances: 1 });
    });

    it('a session whose definition cannot be fetched does not fail the others', async () => {
      const { cache, opened } = world();
      const gone = cache.lease('ses_gone', team.digest, async () => {
        await sleep(10);
        throw new Error('session ses_gone does not exist');
      });
      const [lost, served] = await Promise.allSettled([gone, use(cache, 'ses_here', team)]);
      assert.equal(lost.status, 'rejected');
      assert.equal(served.status === 'fulfilled' && served.value, opened[0]);
      assert.equal(opened.length, 1);
    });
  });

  describe('the pool', () => {
    it('gives new sessions its instances in turn, and each session the same one ever after', async () => {
      const { cache, opened } = world({ poolSize: 3 });
      const sessions = ['s0', 's1', 's2', 's3', 's4'];
      const given: string[] = [];
      for (const session of sessions) given.push(await use(cache, session, team));
      assert.equal(opened.length, 3);
      assert.deepEqual(
        given.map((id) => opened.indexOf(id)),
        [0, 1, 2, 0, 1],
      );
      for (const session of sessions.toReversed())
        assert.equal(await use(cache, session, team), given[sessions.indexOf(session)]);
      assert.equal(cache.stats().sessions, 5);
    });

    it('opens an instance only when a session comes to it', async () => {
      const { cache, opened } = world({ poolSize: 3 });
      for (let index = 0; index < 10; index++) await use(cache, 'the one', team);
      assert.equal(opened.length, 1);
    });
  });

  describe('eviction', () => {
    it('closes the least recently used team where there are more than allowed, and opens it again when it is used', async () => {
      const { cache, opened, closed } = world({ maxEntries: 2 });
      const a = await use(cache, 's', first);
      await use(cache, 's', second);
      await use(cache, 's', first);
      await use(cache, 's', third);
      assert.deepEqual(closed, [opened[1]]);
      assert.equal(await use(cache, 's', first), a);
      assert.equal(await use(cache, 's', second), opened[3]);
      assert.equal(cache.stats().evictions, 2);
    });

    it('never closes a team in use: it goes over its bound until the lease is given back', async () => {
      const { cache, opened, closed } = world({ maxEntries: 1 });
      const lease = await cache.lease('s', first.digest, () => Promise.resolve(first));
      const other = await cache.lease('s', second.digest, () => Promise.resolve(second));
      assert.deepEqual([closed, cache.stats().instances], [[], 2]);
      other.release();
      assert.deepEqual(closed, []);
      await sleep(0);
      assert.deepEqual(closed, [opened[1]]);
      lease.release();
      assert.equal(await use(cache, 's', first), opened[0]);
    });

    it('a lease that is given back twice counts once', async () => {
      const { cache, closed } = world({ maxEntries: 1 });
      const [one, two] = (await Promise.all(
        [1, 2].map(() => cache.lease('s', first.digest, () => Promise.resolve(first))),
      )) as [Lease, Lease];
      one.release();
      one.release();
      await use(cache, 's', second);
      assert.equal(closed.includes(two.team.id), false);
      assert.deepEqual(
        cache.entries().map((entry) => entry.kind === 'shared' && entry.leases),
        [1],
      );
      two.release();
    });

    it('closes what nobody used for the idle time, and nothing that is in use', async () => {
      const { cache, opened, closed } = world({ idleMs: 40 });
      const lease = await cache.lease('s', first.digest, () => Promise.resolve(first));
      await use(cache, 's', second);
      await until('the end of the idle one', async () => closed.length > 0);
      await sleep(100);
      assert.deepEqual(closed, [opened[1]]);
      lease.release();
      await until('the end of the other', async () => closed.length > 1);
      assert.deepEqual(closed, [opened[1], opened[0]]);
      assert.deepEqual([cache.stats().evictions, cache.entries()], [2, []]);
    });

    it('who comes while a team closes gets a new one at once', async () => {
      const made = world({ maxEntries: 1 });
      let end: () => void = () => undefined;
      const closing = new Promise<void>((resolve) => (end = resolve));
      made.onClose = () => closing;
      const a = await use(made.cache, 's', first);
      await use(made.cache, 's', second);
      assert.deepEqual(made.closed, [a]);
      // Who waited for it would wait without end.
      assert.notEqual(await use(made.cache, 's', first), a);
      end();
    });

    it('[A09] closes by least use and by idle time, never in use, and a failed open is retried by the next user', async () => {
      const made = world({ maxEntries: 2, idleMs: 60 });
      const { cache, opened, closed } = made;
      made.beforeOpen = () => Promise.reject(new Error('not yet'));
      await assert.rejects(use(cache, 's', first), /not yet/);
      made.beforeOpen = () => Promise.resolve();
      const lease = await cache.lease('s', first.digest, noFetch);
      await use(cache, 's', second);
      await use(cache, 's', third);
      assert.deepEqual(closed, [opened[2]], 'the least recently used one that is not in use');
      await until('the end of the idle one', async () => closed.length > 1);
      await sleep(100);
      assert.deepEqual(closed, [opened[2], opened[3]], 'the idle one, not the leased one');
      lease.release();
    });
  });

  describe('closing', () => {
    it('waits for leases, then closes every team, and gives no more of them', async () => {
      const { cache, opened, closed } = world({ poolSize: 2 });
      await use(cache, 's1', team);
      const lease = await cache.lease('s2', team.digest, noFetch);
      const closing = cache.close();
      await assert.rejects(cache.lease('s3', team.digest, noFetch), /this worker is shutting down/);
      await sleep(20);
      assert.deepEqual(closed, []);
      lease.release();
      await Promise.all([closing, cache.close()]);
      assert.deepEqual(new Set(closed), new Set(opened));
    });

    it('waits no longer than its bound, and says so', async () => {
      const { cache, closed, lines } = world({ closeMs: 30 });
      await cache.lease('s', team.digest, () => Promise.resolve(team));
      await cache.close();
      assert.equal(closed.length, 1);
      assert.deepEqual(lines.find(({ msg }) => msg === 'agent teams are closed while in use')?.['leases'], 1);
    });

    it('[A08] a team that does not close is logged and counted, and the others are closed', async () => {
      const made = world({ closeMs: 50 });
      for (const resolved of [first, second, third]) await use(made.cache, 's', resolved);
      made.onClose = async (id) => {
        if (id === made.opened[0]) throw new Error('stuck');
        if (id === made.opened[1]) await new Promise(() => undefined);
      };
      await made.cache.close();
      assert.deepEqual(made.closed.toSorted(), made.opened.toSorted());
      assert.equal(made.cache.stats().closeFailures, 2);
      const failures = made.lines.filter(({ msg }) => msg === 'agent team did not close');
      assert.deepEqual(
        failures.map(({ instance }) => instance),
        made.opened.slice(0, 2),
      );
    });

    it('gives the lease back when the work throws', async () => {
      const { cache } = world();
      await assert.rejects(
        cache.withTeam(
          's',
          team.digest,
          () => Promise.resolve(team),
          () => Promise.reject(new Error('work')),
        ),
        /work/,
      );
      assert.deepEqual(
        cache.entries().map((entry) => entry.kind === 'shared' && entry.leases),
        [0],
      );
    });
  });

  describe('warming', () => {
    it('[A16] opens every instance, so that the first use of each opens none, and logs it once', async () => {
      const made = world({ poolSize: 3 });
      await made.cache.warm(team);
      assert.equal(made.opened.length, 3);
      for (const session of ['s1', 's2', 's3']) assert.ok(made.opened.includes(await use(made.cache, session, team)));
      const { opens, misses, hits, instances } = made.cache.stats();
      assert.deepEqual([opens, misses, hits, instances], [3, 0, 3, 3]);
      assert.equal(
        made.lines.filter(({ msg, level }) => msg === 'agent team initialised' && level !== 'debug').length,
        1,
      );
      made.beforeOpen = () => Promise.reject(new Error('no server'));
      await assert.rejects(made.cache.warm(first), /no server/);
      made.beforeOpen = () => Promise.resolve();
      await made.cache.warm(first);
      assert.equal(made.cache.stats().instances, 6);
    });
  });

  describe('statistics', () => {
    it('[A17] count sessions, messages of people, calls of agents, opens, hits, misses and reuse', async () => {
      const made = world({ poolSize: 2 });
      made.beforeOpen = () => sleep(20);
      for (let round = 0; round < 5; round++)
        for (const session of ['s1', 's2', 's3']) await use(made.cache, session, team, `turn-${round < 3 ? 1 : 2}`);
      const { meanOpenMs, memoryBytes, memoryPerSessionBytes, ...stats } = made.cache.stats();
      assert.deepEqual(stats, {
        sessions: 3,
        messages: 6,
        calls: 15,
        poolSize: 2,
        sessionsWithOverrides: 0,
        privateAgents: 0,
        instances: 2,
        opens: 2,
        failedOpens: 0,
        reusePerInstance: 7.5,
        hits: 13,
        misses: 2,
        evictions: 0,
        closes: 0,
        closeFailures: 0,
      });
      assert.ok(meanOpenMs >= 15 && meanOpenMs < 10_000, `${meanOpenMs} ms`);
      assert.ok(memoryBytes > 1_000_000 && memoryPerSessionBytes <= memoryBytes);
      await made.cache.close();
      assert.deepEqual([made.cache.stats().closes, made.cache.stats().closeFailures], [2, 0]);
    });

    it('are logged when the cache closes, and in between only after a change and not too often', async () => {
      const startedAt = performance.now();
      const { cache, lines } = world({ idleMs: 40, statsMs: 300 });
      const logged = (): Record<string, unknown>[] => lines.filter(({ msg }) => msg === 'agent cache statistics');
      const lease = await cache.lease('s', team.digest, () => Promise.resolve(team));
      assert.equal(logged().length, 0);
      await until('statistics', async () => logged().length > 0);
      assert.ok(performance.now() - startedAt >= 300, 'they came too soon');
      await sleep(400);
      assert.equal(logged().length, 1);
      assert.equal(logged()[0]?.['opens'], 1);
      lease.release();
      await cache.close();
      assert.equal(logged().length, 2);
      assert.equal(logged()[1]?.['instances'], 0);
    });
  });
});
