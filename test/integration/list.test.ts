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
import type { CopilotClient, ListedStatus, ListFilter, SessionPage } from '../../src/client.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { isFull } from '../helpers/full.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** `npm run test:full` has as many as a list must cope with. */
const SESSIONS = isFull ? 10_000 : 125;
const PAGE_LIMIT = isFull ? 700 : 12;
const NAMES = 9;

interface PlantedRow {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly mode?: string;
  readonly status?: ListedStatus;
  readonly phase?: string;
  readonly updatedMs: number;
}

describe('list', function () {
  this.timeout(isFull ? 600_000 : 120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld();
    client = world.copilot;
    playTeam(world.model);
  });
  after(() => world.stop());

  /** Sessions that nobody serves: only what visibility knows of them. None can be completed or expired. */
  const plant = async (rows: readonly PlantedRow[]): Promise<void> => {
    for (let from = 0; from < rows.length; from += 20) await Promise.all(rows.slice(from, from + 20).map(plantOne));
  };

  async function plantOne(row: PlantedRow): Promise<void> {
    const { id, user, name, mode = 'copilot', status = 'active', phase = 'idle', updatedMs } = row;
    const handle = await world.temporal.workflow.start('copilotSession', {
      workflowId: id,
      taskQueue: 'nobody',
      args: [{}],
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      ...(status === 'failed' ? { workflowExecutionTimeout: 1_000 } : {}),
      memo: { createdAt: new Date(updatedMs - 1_000).toISOString() },
      typedSearchAttributes: [
        { key: copilotStatus, value: status === 'suspended' ? status : 'active' },
        { key: copilotPhase, value: phase },
        { key: copilotMode, value: mode },
        { key: copilotName, value: name },
        { key: copilotUser, value: user },
        { key: copilotUpdatedAt, value: new Date(updatedMs) },
      ],
    });
    if (status === 'terminated') await handle.terminate();
  }

  /** All pages, one after another. */
  async function allPages(filter: ListFilter, limit: number): Promise<SessionPage['sessions']> {
    const rows: SessionPage['sessions'][number][] = [];
    for (let after: string | null | undefined; after !== null;) {
      const page = await client.list({ ...filter, limit, ...(after === undefined ? {} : { after }) });
      assert.ok(page.sessions.length <= limit && (page.next === null || page.sessions.length === limit));
      rows.push(...page.sessions);
      after = page.next;
    }
    return rows;
  }

  describe(`of ${SESSIONS} sessions`, () => {
    const now = Date.now();
    const STATUSES = ['active', 'suspended', 'terminated', 'failed'] as const;
    const MODES = ['copilot', 'one-shot', 'planning-control'];
    /** Three of each time, started in an order that says nothing of their times. */
    const planted = Array.from({ length: SESSIONS }, (_, n) => {
      const place = (n * 271) % SESSIONS;
      return {
        id: `order-${String(place).padStart(5, '0')}`,
        user: place % 2 === 0 ? 'order' : 'other',
        name: `name ${place % NAMES}`,
        mode: MODES[Math.floor(place / 3) % MODES.length] ?? '',
        status: STATUSES[Math.floor(place / 5) % STATUSES.length] ?? 'active',
        phase: place % 2 === 0 ? 'idle' : 'executing',
        updatedMs: now - 60_000 - Math.floor(place / 3) * 60_000,
      };
    });
    /** Real ones, newest first: what they are can be read from themselves. */
    const real: SessionPage['sessions'][number][] = [];

    before(async () => {
      await plant(planted);
      const create = (name: string, config = {}) => client.create({ mode: 'one-shot', user: 'order', name, config });
      const sessions = {
        expired: await create('name 1', { idleTimeoutMs: 1_000 }),
        completed: await create('name 2'),
        suspended: await create('name 3'),
        active: await create('name 4'),
      };
      await until('expired', async () => (await sessions.expired.describe()).isClosed);
      await sessions.completed.complete();
      await sessions.suspended.suspend();
      await sessions.active.send('hello');
      for (const [status, session] of Object.entries(sessions)) {
        const { name, user, mode, phase, createdAt, lastActiveAt, updatedAt } = await session.info();
        const times = { createdAt, lastActiveAt, updatedAt };
        real.unshift({
          id: session.id,
          name,
          user,
          mode,
          status: status as ListedStatus,
          phase: String(phase),
          step: null,
          ...times,
        });
      }
      const failed = planted.filter(({ status }) => status === 'failed').length;
      const isListed = async () =>
        (await client.count({ status: 'failed' })) === failed && (await client.count({ status: 'completed' })) === 1;
      await until('all are listed', isListed, 120_000);
    });

    /** Every session as a list has to show it, in the order in which it has to. */
    const expected = (): SessionPage['sessions'] => [
      ...real,
      ...planted
        .toSorted((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : -1))
        .map(({ updatedMs, ...row }) => {
          const updatedAt = new Date(updatedMs).toISOString();
          const createdAt = new Date(updatedMs - 1_000).toISOString();
          // One that was ended from outside does nothing, whatever it did then.
          const isCutOff = row.status === 'terminated' || row.status === 'failed';
          const phase = isCutOff ? 'idle' : row.phase;
          return { ...row, phase, step: null, createdAt, lastActiveAt: updatedAt, updatedAt };
        }),
    ];

    /** The start of a real session is noted by the client that starts it, a moment before it begins. */
    const comparable = (rows: SessionPage['sessions']) =>
      rows.map((row) => {
        const createdAt = real.find(({ id }) => id === row.id)?.createdAt ?? row.createdAt;
        assert.ok(Math.abs(Date.parse(row.createdAt) - Date.parse(createdAt)) < 60_000, row.createdAt);
        return { ...row, createdAt };
      });

    it('[S11] newest updated first, each row whole, by every filter and all of them at once, page by page, and counted by status', async () => {
      const all = expected();
      const conditions = { user: 'order', status: 'active', mode: 'one-shot', name: 'name 4' } as const;
      const names = ['user', 'status', 'mode', 'name'] as const;
      // Each set of them is a number whose bits say which filters are in it; 0 is all sessions.
      for (let bits = 0; bits < 2 ** names.length; bits++) {
        const used = names.filter((_, bit) => (bits & (1 << bit)) !== 0);
        const filter = Object.fromEntries(used.map((name) => [name, conditions[name]]));
        const wanted = all.filter((row) => used.every((name) => row[name] === conditions[name]));
        assert.ok(wanted.length > 0 && (bits === 0) === (wanted.length === all.length), used.join());
        assert.deepEqual(comparable(await allPages(filter, PAGE_LIMIT)), comparable(wanted), used.join());
        assert.equal(await client.count(filter), wanted.length);
      }
      for (const status of ['suspended', 'completed', 'expired', 'terminated', 'failed'] as const) {
        const wanted = all.filter((row) => row.status === status && row.user === 'order');
        assert.deepEqual(comparable(await allPages({ status, user: 'order' }, PAGE_LIMIT)), comparable(wanted), status);
      }
      const byStatus = (user: string) =>
        Object.fromEntries(
          ['active', 'suspended', 'completed', 'expired', 'terminated', 'failed'].map((status) => [
            status,
            all.filter((row) => row.status === status && row.user === user).length,
          ]),
        );
      for (const user of ['order', 'other']) assert.deepEqual(await client.countByStatus({ user }), byStatus(user));
      // 100 rows where nobody says how many, and the same from the command line.
      const first = await client.list();
      assert.deepEqual(comparable(first.sessions), comparable(all.slice(0, 100)));
      const env = programEnvironment(world.server);
      const rest = await runCli(['list', '--after', String(first.next), '--limit', '7', '--json'], env);
      const { sessions } = JSON.parse(rest.stdout) as SessionPage;
      assert.deepEqual(sessions, all.slice(100, 107), rest.stderr);
      const flags = Object.entries(conditions).flatMap(([name, value]) => [`--${name}`, value]);
      const some = JSON.parse((await runCli(['list', ...flags, '--json'], env)).stdout) as SessionPage;
      assert.deepEqual(some, await client.list(conditions));
      const counted = JSON.parse(
        (await runCli(['list', '--user', 'other', '--count', '--json'], env)).stdout,
      ) as object;
      const others = all.filter(({ user }) => user === 'other').length;
      assert.deepEqual(counted, { count: others, byStatus: byStatus('other') });
    });

    it('[U02] completes commands, options and the ids of the newest sessions in a shell', async () => {
      const env = programEnvironment(world.server);
      const suggest = async (...words: string[]): Promise<string[]> =>
        (await runCli(['completion', 'complete', '--', ...words], env)).stdout.split('\n');
      const [newest] = (await client.list({ limit: 1 })).sessions;
      // Suggestions come within 3 s or not at all, and this machine may be slow.
      const line = `${newest?.id}\t${newest?.name} (${newest?.status})`;
      await until('the newest session', async () => (await suggest('show', '')).includes(line), 90_000);
      assert.ok((await suggest('susp'))[0]?.startsWith('suspend\t'));
      assert.ok((await suggest('start', '--mo'))[0]?.startsWith('--mode\t'));
      const nobody = await runCli(['completion', 'complete', '--', 'show', ''], {
        ...env,
        TEMPORAL_ADDRESS: '127.0.0.1:1',
      });
      assert.deepEqual([nobody.code, nobody.stderr, nobody.stdout], [0, '', ':4\n']);
      for (const shell of ['bash', 'zsh', 'fish'])
        assert.match((await runCli(['completion', shell], env)).stdout, /copilot completion complete -- /);
    });

    it('a session that is changed comes first', async () => {
      const suspended = client.session(real.find(({ status }) => status === 'suspended')?.id ?? '');
      const first = async () => (await client.list({ user: 'order', limit: 1 })).sessions[0];
      assert.notEqual((await first())?.id, suspended.id);
      await suspended.continue();
      const row = await until('it is the first', async () =>
        (await first())?.id === suspended.id ? first() : undefined,
      );
      assert.deepEqual([row.status, row.updatedAt], ['active', (await suspended.info()).updatedAt]);
    });

    it('[S11] so does one whose context was changed', async () => {
      const active = client.session(real[0]?.id ?? '');
      const { updatedAt } = await active.setContext('a', Date.now());
      await until('it is the first', async () => {
        const [row] = (await client.list({ user: 'order', limit: 1 })).sessions;
        return row?.id === active.id && row.updatedAt === updatedAt;
      });
    });
  });

  describe('in particular', () => {
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
        const seen = (await allPages({ user: 'ties' }, limit)).map(({ id }) => id);
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
      const prefixed = async (namePrefix: string) =>
        (await client.list({ namePrefix })).sessions.map(({ name }) => name);
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
      const called = new Date().toISOString();
      const session = await client.create({
        mode: 'one-shot',
        user: 'lister',
        name: 'Long one',
        config: { historyLimit: 40 },
      });
      const created = new Date().toISOString();
      await session.send('m0');
      const answered = new Date().toISOString();
      for (let n = 1; n < 8; n++) await session.send(`m${n}`);
      const { createdAt, runs } = await session.info();
      assert.ok(runs > 1);
      assert.ok(createdAt >= called && createdAt <= answered, `${createdAt} after ${called}`);
      const row = await until('its row', async () => (await client.list({ user: 'lister' })).sessions[0]);
      assert.deepEqual(
        [row.id, row.name, row.mode, row.status, row.phase],
        [session.id, 'Long one', 'one-shot', 'active', 'idle'],
      );
      assert.ok(row.createdAt >= called && row.createdAt <= created, `${row.createdAt} after ${called}`);
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

    it('is told of turns that follow each other quickly every 15 s, and of anything else at once', async () => {
      const session = await client.create({ mode: 'one-shot', user: 'hurried', name: 'Hurried' });
      const beganMs = Date.now();
      for (let n = 0; n < 12; n++) await session.send(`m${n}`);
      const tookMs = Date.now() - beganMs;
      const events = await fullHistory(world.temporal, session.id);
      const written = events.filter((event) => event.upsertWorkflowSearchAttributesEventAttributes).length;
      // The first two turns, and those that end 15 s after the last that was told; on a slow machine few follow quickly.
      assert.ok(written >= 2 && written <= 3 + tookMs / 5_000, `${written} in ${tookMs} ms`);
      const listed = () => until('its row', async () => (await client.list({ user: 'hurried' })).sessions[0]);
      const info = await session.info();
      for (const time of ['lastActiveAt', 'updatedAt'] as const) {
        const lagMs = Date.parse(info[time]) - Date.parse((await listed())[time]);
        assert.ok(lagMs >= 0 && lagMs < 15_000, `${time} ${lagMs} ms early`);
      }
      await session.suspend();
      const { lastActiveAt, updatedAt } = await session.info();
      await until('the row is exact', async () => {
        const row = await listed();
        return row.status === 'suspended' && row.lastActiveAt === lastActiveAt && row.updatedAt === updatedAt;
      });
    });
  });
});
