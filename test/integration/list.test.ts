/** Lists of sessions from the visibility store of a real server. */
import assert from 'node:assert/strict';
import { WorkflowIdReusePolicy } from '@temporalio/client';
import {
  copilotMode,
  copilotName,
  copilotPhase,
  copilotStatus,
  copilotUpdatedAt,
  copilotUser,
} from '../../src/contracts/search-attributes.ts';
import type { CopilotClient } from '../../src/index.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('list', function () {
  this.timeout(120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld();
    client = world.copilot;
    playTeam(world.model);
  });
  after(() => world.stop());

  /** Sessions that nobody serves: only what visibility knows of them. */
  const plant = async (
    rows: readonly { id: string; user: string; name: string; mode?: string; updatedMs: number }[],
  ): Promise<void> => {
    for (let from = 0; from < rows.length; from += 20) {
      await Promise.all(
        rows.slice(from, from + 20).map(({ id, user, name, mode = 'copilot', updatedMs }) =>
          world.temporal.workflow.start('copilotSession', {
            workflowId: id,
            taskQueue: 'nobody',
            args: [{}],
            workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
            memo: { createdAt: new Date(updatedMs - 1_000).toISOString() },
            typedSearchAttributes: [
              { key: copilotStatus, value: 'active' },
              { key: copilotPhase, value: 'idle' },
              { key: copilotMode, value: mode },
              { key: copilotName, value: name },
              { key: copilotUser, value: user },
              { key: copilotUpdatedAt, value: new Date(updatedMs) },
            ],
          }),
        ),
      );
    }
  };

  it('gives newest updated first, page by page, also where the order of starting is another', async () => {
    const now = Date.now();
    // Three of each time, started in an order that says nothing of their times.
    const rows = Array.from({ length: 450 }, (_, n) => {
      const place = (n * 271) % 450;
      return {
        id: `order-${String(place).padStart(3, '0')}`,
        user: 'order',
        name: `n${place}`,
        updatedMs: now - Math.floor(place / 3) * 60_000,
      };
    });
    await plant(rows);
    await until('all are listed', async () => (await client.count({ user: 'order' })) === 450);
    const expected = rows.toSorted((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
    const seen: string[] = [];
    for (let after: string | null | undefined; after !== null;) {
      const page = await client.list({ user: 'order', limit: 40, ...(after === undefined ? {} : { after }) });
      seen.push(...page.sessions.map(({ id }) => id));
      after = page.next;
    }
    assert.deepEqual(seen, expected);
    const [newest] = (await client.list({ user: 'order', limit: 1 })).sessions;
    assert.deepEqual(newest, {
      id: expected[0],
      name: 'n2',
      user: 'order',
      mode: 'copilot',
      status: 'active',
      phase: 'idle',
      step: null,
      createdAt: new Date(now - 1_000).toISOString(),
      lastActiveAt: new Date(now).toISOString(),
      updatedAt: new Date(now).toISOString(),
    });
  });

  it('loses no session at the border of a page, whatever the digits of its time', async () => {
    const second = Math.floor(Date.now() / 1_000) * 1_000;
    // Visibility on SQLite compares times as text: zeros at the end are where that differs from numbers.
    const rows = [0, 5, 10, 33, 330, 335, 500, 940, 999].flatMap((ms) =>
      Array.from({ length: 4 }, (_, n) => ({
        id: `tie-${ms}-${n}`,
        user: 'ties',
        name: 'tie',
        updatedMs: second - 5_000 + ms,
      })),
    );
    await plant(rows);
    await until('all are listed', async () => (await client.count({ user: 'ties' })) === rows.length);
    const expected = rows.toSorted((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
    for (const limit of [1, 2, 3, 7]) {
      const seen: string[] = [];
      for (let after: string | null | undefined; after !== null;) {
        const page = await client.list({ user: 'ties', limit, ...(after === undefined ? {} : { after }) });
        seen.push(...page.sessions.map(({ id }) => id));
        after = page.next;
      }
      assert.deepEqual(seen, expected, `pages of ${limit}`);
    }
  });

  it('filters by user, mode, status, whole name and beginning, all at once, whatever the values hold', async () => {
    const now = Date.now();
    const names = ["it's", 'a"b', 'back\\slash', '100%', 'a_b', "' OR ''='", 'ünï 😀', 'plain', 'plain and more'];
    await plant(
      names.map((name, n) => ({
        id: `filter-${n}`,
        user: `u'${n % 2}`,
        name,
        mode: n < 3 ? 'one-shot' : 'copilot',
        updatedMs: now - n,
      })),
    );
    await until('all are listed', async () => (await client.list({ user: "u'0" })).sessions.length === 5);
    for (const name of names) {
      assert.deepEqual(
        (await client.list({ name })).sessions.map((row) => row.name),
        [name],
      );
    }
    const prefixed = async (namePrefix: string) => (await client.list({ namePrefix })).sessions.map(({ name }) => name);
    assert.deepEqual(await prefixed('plain'), ['plain', 'plain and more']);
    assert.deepEqual(await prefixed('100%'), ['100%']);
    assert.deepEqual(await prefixed('a_'), ['a_b']);
    assert.deepEqual(await prefixed('back\\'), ['back\\slash']);
    assert.deepEqual(await prefixed("' OR"), ["' OR ''='"]);
    assert.deepEqual(
      (await client.list({ user: "u'0", mode: 'one-shot', status: 'active' })).sessions.map(({ id }) => id),
      ['filter-0', 'filter-2'],
    );
    assert.deepEqual(await client.countByStatus({ user: "u'0" }), {
      active: 5,
      suspended: 0,
      completed: 0,
      expired: 0,
      terminated: 0,
      failed: 0,
    });
    await fails(client.list({ limit: 0 }), 'InvalidInput', /^limit \(0\)/);
    await fails(client.list({ after: 'nonsense' }), 'InvalidInput', /^after \("nonsense"\) is not valid: use `next`/);
  });

  it('shows name, status and phase of real sessions, and their creation over continue-as-new', async () => {
    const session = await client.create({
      mode: 'one-shot',
      user: 'lister',
      name: 'Long one',
      config: { historyLimit: 40 },
    });
    for (let n = 0; n < 8; n++) await session.send(`m${n}`);
    const { createdAt, runs } = await session.info();
    assert.ok(runs > 1);
    const row = await until('its row', async () => (await client.list({ user: 'lister' })).sessions[0]);
    assert.deepEqual(
      [row.id, row.name, row.mode, row.status, row.phase],
      [session.id, 'Long one', 'one-shot', 'active', 'idle'],
    );
    assert.ok(
      Math.abs(Date.parse(row.createdAt) - Date.parse(createdAt)) < 2_000,
      `${row.createdAt} against ${createdAt}`,
    );
    await session.suspend();
    await until(
      'suspended is listed',
      async () => (await client.list({ user: 'lister', status: 'suspended' })).sessions.length === 1,
    );
    await session.complete();
    await until(
      'completed is listed',
      async () => (await client.list({ user: 'lister', status: 'completed' })).sessions.length === 1,
    );
    assert.equal((await client.list({ user: 'lister' })).sessions.length, 1);
  });
});
