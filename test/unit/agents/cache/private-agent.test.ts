import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ResolvedTeam } from '../../../../src/contracts/team.ts';
import { until } from '../../../helpers/history.ts';
import { closeWorlds, noFetch, otherTeam, use, world } from './cache-world.ts';
import { removeFolders, smallTeam } from '../files/team-folder.ts';

describe('agents: a session that overrides an agent', () => {
  let team: ResolvedTeam;
  before(async () => {
    team = await smallTeam();
  });
  afterEach(closeWorlds);
  after(removeFolders);

  const override = { temperature: 0.9 };

  it('gets an agent of its own with a name and metadata, and the others keep the shared one', async () => {
    const { cache, opened } = world();
    await cache.withTeam(
      'ses_01ABCDEF',
      team.digest,
      () => Promise.resolve(team),
      async ({ agent, team: { id } }) => {
        const own = agent('writer', override);
        assert.equal(own.settings.temperature, 0.9);
        assert.equal(own.definition.name, 'Writer (Session: 01ABCDEF)');
        assert.equal(agent('writer', override), own);
        assert.equal(agent('router').definition.name, 'router');
        assert.equal(id, opened[0]);
      },
    );
    await cache.withTeam('ses_other', team.digest, noFetch, async ({ agent }) => {
      assert.equal(agent('writer').settings.temperature, 0.5);
      assert.equal(agent('writer').definition.name, 'Writer');
    });
    assert.equal(opened.length, 1);
  });

  it('[A03] is kept by agentId#sessionId beside the shared team@digest, with name and metadata', async () => {
    const { cache, opened } = world();
    await cache.withTeam(
      'ses_01ABCDEF',
      team.digest,
      () => Promise.resolve(team),
      async ({ agent }) => void agent('writer', override),
    );
    const entries = cache.entries().map(({ idleMs: _, ...entry }) => entry);
    assert.deepEqual(entries, [
      { kind: 'shared', key: `small@${team.digest}`, leases: 0, instances: [opened[0]], isClosing: false },
      {
        kind: 'private',
        key: 'writer#ses_01ABCDEF',
        name: 'Writer (Session: 01ABCDEF)',
        metadata: {
          session_id: 'ses_01ABCDEF',
          base_agent_id: 'writer',
          created_for_session: true,
          team: 'small',
          digest: team.digest,
          configuration: { temperature: 0.9 },
        },
      },
    ]);
  });

  it('has it replaced when the override changes, and dropped when it is taken back', async () => {
    const { cache } = world();
    await cache.withTeam(
      's',
      team.digest,
      () => Promise.resolve(team),
      async ({ agent }) => {
        const before = agent('writer', override);
        const after = agent('writer', { temperature: 0.1 });
        assert.notEqual(after, before);
        assert.equal(after.settings.temperature, 0.1);
        assert.deepEqual([cache.stats().privateAgents, cache.stats().sessionsWithOverrides], [1, 1]);
        agent('router', override);
        assert.deepEqual([cache.stats().privateAgents, cache.stats().sessionsWithOverrides], [2, 1]);
        assert.equal(agent('writer').settings.temperature, 0.5);
        assert.equal(agent('router', {}).settings.temperature, undefined);
        assert.deepEqual([cache.stats().privateAgents, cache.stats().sessionsWithOverrides], [0, 0]);
      },
    );
  });

  it('[A15] never pushes a team out, has its agent as long as it is open, and loses it with its team', async () => {
    const made = world({ maxEntries: 3 });
    const { cache, closed } = made;
    for (const session of ['s1', 's2', 's3', 's4']) {
      await cache.withTeam(
        session,
        team.digest,
        () => Promise.resolve(team),
        async ({ agent }) => void agent('writer', override),
      );
    }
    assert.deepEqual(
      cache.entries().map(({ key }) => key.slice(0, 9)),
      ['small@' + team.digest.slice(0, 3), 'writer#s1', 'writer#s2', 'writer#s3', 'writer#s4'],
    );
    assert.equal(closed.length, 0);
    cache.forgetSession('s2');
    assert.deepEqual([cache.stats().privateAgents, cache.stats().sessionsWithOverrides], [3, 3]);
    for (const text of ['a', 'b', 'c']) await use(cache, 's', await otherTeam(text));
    assert.equal(closed.length, 1);
    assert.equal(cache.stats().privateAgents, 0);
  });

  it('[A15] is forgotten when it closed elsewhere, which is asked only of sessions that were not used since', async () => {
    const asked: string[] = [];
    const open = new Set(['s1', 's2', 's3']);
    const findOpenSessions = (ids: readonly string[]): Promise<ReadonlySet<string>> => {
      asked.push(...ids);
      return Promise.resolve(open);
    };
    const { cache } = world({ idleMs: 200, findOpenSessions });
    const fetch = () => Promise.resolve(team);
    for (const id of open)
      await cache.withTeam(id, team.digest, fetch, async ({ agent }) => void agent('writer', override));
    open.delete('s2');
    await until('the forgetting', async () => cache.stats().sessionsWithOverrides === 2);
    assert.ok(asked.includes('s2'));
    // Their agents may have gone for idleness, and the sessions still count.
    await until('idleness', async () => cache.stats().privateAgents === 0);
    assert.equal(cache.stats().sessionsWithOverrides, 2);
  });

  it('sees only its own override while many sessions work at the same time', async () => {
    const { cache } = world({ poolSize: 2, maxEntries: 5 });
    await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        cache.withTeam(
          `ses_${index}`,
          team.digest,
          () => Promise.resolve(team),
          async ({ agent }) => {
            for (let round = 0; round < 5; round++) {
              const own = agent('writer', index % 2 === 0 ? { instructions: `I am ${index}` } : undefined);
              await sleep(1);
              assert.equal(own.system({ topic: 'x' }), index % 2 === 0 ? `I am ${index}` : 'You write about x.\n');
            }
          },
        ),
      ),
    );
    assert.equal(cache.entries().filter(({ kind }) => kind === 'shared').length, 1);
  });
});
