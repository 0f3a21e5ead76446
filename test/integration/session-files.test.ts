/** Sessions that become others, leave as a file, come back from one, or go for good. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionExport, SessionHandle } from '../../src/client.ts';
import { itInFull } from '../helpers/full.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { playToolCalls } from '../helpers/tool-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const FACTS = [
  'apples are red',
  'bananas are yellow',
  'cherries are dark',
  'dates are brown',
  'elderberries are black',
];

describe('session files', function () {
  this.timeout(180_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model, { answer: 'noted' }));

  /** A session that was told the five facts, one a turn. */
  async function told(options: Parameters<World['copilot']['create']>[0] = {}): Promise<SessionHandle> {
    const session = await world.copilot.create({ mode: 'one-shot', ...options });
    for (const fact of FACTS) assert.equal((await session.send(fact)).status, 'completed');
    return session;
  }

  /** Which of the facts the model was told in its latest request. */
  function knownToModel(): string[] {
    const prompt = JSON.stringify(world.model.requests.at(-1)?.body.messages);
    return FACTS.filter((fact) => prompt.includes(fact));
  }

  async function exported(session: SessionHandle): Promise<SessionExport> {
    // As it would come back from a file.
    return JSON.parse(JSON.stringify(await session.export())) as SessionExport;
  }

  /** What of a session leaves it: all but the time of the export. */
  async function content(session: SessionHandle): Promise<Omit<SessionExport, 'exportedAt'>> {
    const { exportedAt: _, ...rest } = await exported(session);
    return rest;
  }

  it('[S15] forks from any turn or snapshot of an open or closed session know what was known then; a file of everything makes the same session again', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', user: 'ada', context: { budget: 100 } });
    for (const [index, fact] of FACTS.entries()) {
      assert.equal((await session.send(fact)).status, 'completed');
      if (index === 1) await session.setContext('mood', 'good', { protect: true });
      if (index === 3) await session.updateContext({ budget: 50 });
      if (index === 3) await session.setContext('budget', 50, { protect: true });
    }
    await session.setContext('later', 'after turn 5', { protect: true });
    const snapshotOf3 = (await session.snapshots()).findLast(({ metadata }) => metadata['turn'] === 3);
    assert.ok(snapshotOf3);
    for (const status of ['active', 'suspended', 'completed'] as const) {
      if (status === 'suspended') await session.suspend();
      if (status === 'completed') await session.complete();
      const before = await content(session);
      const tasks = (turn: number) => ({ initial_task: FACTS[0], current_task: FACTS[turn - 1] });
      for (const [point, turn, values, keys] of [
        [{ turn: 2 }, 2, { budget: 100, ...tasks(2) }, []],
        [{ snapshot: snapshotOf3.id }, 3, { budget: 100, ...tasks(3), mood: 'good' }, ['mood']],
        [{}, 5, { budget: 50, ...tasks(5), mood: 'good', later: 'after turn 5' }, ['mood', 'budget', 'later']],
      ] as const) {
        const fork = await session.fork(point);
        assert.notEqual(fork.id, session.id);
        assert.deepEqual(await fork.context(), {
          version: (await fork.context()).version,
          values,
          protectedKeys: keys,
          ephemeralKeys: [],
        });
        const known = await content(fork);
        assert.deepEqual(
          [known.conversation.length, known.session.turnCount, known.session.user],
          [2 * turn, turn, 'ada'],
        );
        // Nothing of later is left anywhere.
        const numbers = known.context.snapshots.map(({ metadata }) => Number(metadata['turn']));
        assert.equal(Math.max(...numbers), turn);
        assert.ok(known.context.changes.every(({ version }) => version <= known.context.version));
        for (const fact of FACTS.slice(turn))
          assert.ok(!JSON.stringify(known).includes(fact), `${status} ${turn} ${fact}`);
        const next = await fork.send('what do you know?');
        assert.deepEqual([next.status, next.number], ['completed', turn + 1]);
        assert.deepEqual(knownToModel(), FACTS.slice(0, turn));
        await fork.restoreContext('latest');
        if (turn === 2) assert.equal((await fork.setContext('mood', 'bad')).changed, true);
        else await fails(fork.setContext('mood', 'bad'), 'ProtectedKey', /"mood"/);
      }
      // The old one is as it was.
      assert.deepEqual(await content(session), before);
    }

    const path = join(await mkdtemp(join(world.server.homeDir, 'out-')), 'session.json');
    assert.equal((await runCli(['export', session.id, path], env)).code, 0);
    const file = JSON.parse(await readFile(path, 'utf8')) as SessionExport;
    assert.deepEqual([file.format, file.schemaVersion], ['durable-copilot session', 1]);
    assert.deepEqual({ ...file, exportedAt: '' }, { ...(await exported(session)), exportedAt: '' });
    await session.delete();
    const imported = await runCli(['import', path, '--keep-id', '--json'], env);
    assert.equal(imported.code, 0, imported.stderr);
    const again = await content(session);
    const { createdAt, updatedAt } = again.session;
    const { exportedAt: _, ...before } = file;
    assert.deepEqual(again, { ...before, session: { ...before.session, status: 'active', createdAt, updatedAt } });
    assert.equal((await session.send('and now?')).number, 6);
    assert.deepEqual(knownToModel(), FACTS);
  });

  itInFull(
    'a fork of a completed session at turn 2 of 5 answers with the knowledge of turns 1 and 2 only',
    async () => {
      const session = await told({ context: { budget: 100 } });
      await session.setContext('note', 'only later');
      await session.complete();

      const fork = await session.fork({ turn: 2 });
      assert.notEqual(fork.id, session.id);
      const { values } = await fork.context();
      assert.deepEqual(values, { budget: 100, initial_task: FACTS[0], current_task: FACTS[1] });
      assert.deepEqual(
        (await fork.turns()).map(({ number, status }) => [number, status]),
        [
          [1, 'completed'],
          [2, 'completed'],
        ],
      );
      playTeam(world.model, { answer: 'apples and bananas' });
      const turn = await fork.send('what do you know?');
      assert.deepEqual([turn.number, turn.status, turn.reply], [3, 'completed', 'apples and bananas']);
      assert.deepEqual(knownToModel(), FACTS.slice(0, 2));
      const { messages } = await fork.transcript();
      assert.deepEqual(
        messages.map(({ text }) => text),
        [FACTS[0], 'noted', FACTS[1], 'noted', 'what do you know?', 'apples and bananas'],
      );
      const { name, status, usage } = await fork.info();
      assert.deepEqual([name, status, usage.modelCalls], [`${(await session.info()).name} (fork)`, 'active', 1]);
      // The old one is as it was.
      assert.equal((await session.transcript()).messages.length, 10);
      assert.equal((await session.info()).status, 'completed');
    },
  );

  it('a fork without a turn knows everything, and one at a snapshot what was known then', async () => {
    const session = await told();
    await session.setContext('note', 'kept');
    const whole = await session.fork({ id: 'whole-fork', name: 'all of it' });
    assert.deepEqual([whole.id, (await whole.info()).name], ['whole-fork', 'all of it']);
    assert.equal((await whole.context()).values['note'], 'kept');
    await whole.send('and now?');
    assert.deepEqual(knownToModel(), FACTS);

    const atSnapshot = (await session.snapshots()).findLast(({ metadata }) => metadata['turn'] === 3);
    const early = await session.fork({ snapshot: atSnapshot?.id ?? '' });
    assert.equal((await early.context()).values['current_task'], FACTS[2]);
    await early.send('and now?');
    assert.deepEqual(knownToModel(), FACTS.slice(0, 3));
    await fails(session.fork({ id: 'whole-fork' }), 'SessionExists', /whole-fork/);
  });

  it('a fork at a turn or snapshot that is not there says which there are', async () => {
    const session = await told();
    await fails(session.fork({ turn: 6 }), 'InvalidInput', /turn \(6\).*turns that can be forked at: 1, 2, 3, 4, 5/);
    await fails(session.fork({ turn: 0 }), 'InvalidInput', /turn \(0\)/);
    await fails(session.fork({ snapshot: 'snap-999' }), 'SnapshotNotFound', /"snap-999".*snap-1/);
    const wrong = await runCli(['fork', session.id, '--turn', '6', '--json'], env);
    assert.equal(wrong.code, 2, wrong.stderr);
    const right = await runCli(['fork', session.id, '--turn', '1', '--json'], env);
    assert.equal(right.code, 0, right.stderr);
    const { sessionId } = JSON.parse(right.stdout) as { sessionId: string };
    assert.equal((await world.copilot.session(sessionId).info()).turns, 1);
  });

  itInFull('a turn that has left the live conversation is found in the run of that time', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', config: { historyLimit: 40 } });
    const long = (number: number) => `message ${number} ${'x'.repeat(30_000)}`;
    for (let number = 1; number <= 8; number++) assert.equal((await session.send(long(number))).status, 'completed');
    const { messages } = await session.transcript();
    assert.ok(!messages.some(({ text }) => text.startsWith('message 2 ')), 'it is still in the live conversation');
    const { runs } = await session.info();
    assert.ok(runs > 1, `${runs} runs`);
    const fork = await session.fork({ turn: 2 });
    assert.deepEqual(
      (await fork.transcript()).messages.map(({ text }) => text.slice(0, 9)),
      ['message 1', 'noted', 'message 2', 'noted'],
    );
  });

  it('delete keeps a folder that was given as workspace, and what is no session', async () => {
    const folder = await mkdtemp(join(world.server.homeDir, 'given-'));
    await writeFile(join(folder, 'mine.txt'), 'mine');
    const other = join(world.server.homeDir, 'workspaces', 'kept-own');
    await mkdir(other, { recursive: true });
    const session = await world.copilot.create({ id: 'kept-own', config: { workspace: folder } });
    await session.complete();
    const deleted = await runCli(['delete', session.id, '--yes', '--json'], env);
    assert.deepEqual(JSON.parse(deleted.stdout), { sessionId: 'kept-own', deleted: true }, deleted.stderr);
    assert.equal(await readFile(join(folder, 'mine.txt'), 'utf8'), 'mine');
    assert.ok(existsSync(other), 'a folder that the session never had');

    const stranger = await world.temporal.workflow.start('somebodyElse', {
      workflowId: 'not-a-session',
      taskQueue: 'other',
    });
    await fails(world.copilot.session('not-a-session').delete(), 'SessionNotFound', /not-a-session/);
    assert.equal((await stranger.describe()).status.name, 'RUNNING');
    await stranger.terminate();
  });

  it('export, delete, import: conversation, context, snapshots, change log, turns and usage are the same', async () => {
    playTeam(world.model, { files: ['x.txt'], answer: 'it is written' });
    const session = await world.copilot.create({ user: 'ada', name: 'a long story', context: { city: 'Ulm' } });
    await session.send('write a file');
    await session.setContext('budget', 100, { protect: true });
    await session.setContext('passing', 1, { ephemeral: true });
    await session.snapshot('by hand');
    await session.updateContext({ city: 'Lima', list: [1, { two: 2 }] });
    const before = await exported(session);
    const snapshots = await session.snapshots();
    const changes = await session.changes();
    const usage = await session.usage();
    assert.ok(snapshots.length > 2 && changes.length > 3 && usage.total.modelCalls > 3);
    await session.delete();

    const again = await world.copilot.import(before, { keepId: true });
    assert.equal(again.id, session.id);
    const { exportedAt: _, session: facts, ...rest } = await exported(again);
    const { exportedAt: __, session: factsBefore, ...restBefore } = before;
    assert.deepEqual(rest, restBefore);
    const { createdAt, updatedAt, ...same } = facts;
    assert.deepEqual({ ...factsBefore, createdAt, updatedAt }, { ...same, createdAt, updatedAt });
    assert.deepEqual(await again.snapshots(), snapshots);
    assert.deepEqual(await again.changes(), changes);
    assert.deepEqual(await again.usage(), usage);
    assert.equal((await again.context()).values['passing'], undefined);
    // It goes on: with its snapshots, its protected keys and its conversation.
    await fails(again.setContext('budget', 1), 'ProtectedKey', /budget/);
    await again.restoreContext('latest');
    assert.equal((await again.context()).values['city'], 'Ulm');
    playTeam(world.model, { answer: 'hello again' });
    const turn = await again.send('are you there?');
    assert.deepEqual([turn.number, turn.reply], [2, 'hello again']);
    assert.ok(JSON.stringify(world.model.requests.at(-1)?.body.messages).includes('write a file'));
    await fails(world.copilot.import(before, { keepId: true }), 'SessionExists', new RegExp(session.id));
  });

  it('a session that was closed can be imported from the archive, and delete removes it there too', async () => {
    const session = await told();
    await session.complete();
    await world.temporal.workflow.getHandle(session.id).result();
    const path = join(world.server.homeDir, 'archive', `${session.id}.json`);
    const archived: unknown = JSON.parse(await readFile(path, 'utf8'));
    const again = await world.copilot.import(archived);
    assert.deepEqual((await again.transcript()).messages, (await session.transcript()).messages);
    await session.delete();
    assert.equal(existsSync(path), false);
  });

  itInFull('the export of a closed session goes through a file and the command line', async () => {
    const session = await told();
    await session.complete();
    const path = join(await mkdtemp(join(world.server.homeDir, 'out-')), 'session.json');
    const written = await runCli(['export', session.id, path, '--json'], env);
    assert.deepEqual(JSON.parse(written.stdout), { sessionId: session.id, file: path }, written.stderr);
    const text = await readFile(path, 'utf8');
    const shown = await runCli(['export', session.id], env);
    const withoutTime = (json: string) => ({ ...(JSON.parse(json) as SessionExport), exportedAt: '' });
    assert.deepEqual(withoutTime(shown.stdout), withoutTime(text));
    const read = await runCli(
      ['import', '-', '--id', 'from-stdin', '--name', 'copy', '--user', 'eve', '--json'],
      env,
      text,
    );
    assert.deepEqual(
      [read.code, (JSON.parse(read.stdout) as { sessionId: string }).sessionId],
      [0, 'from-stdin'],
      read.stderr,
    );
    const { name, user, status, turns } = await world.copilot.session('from-stdin').info();
    assert.deepEqual([name, user, status, turns], ['copy', 'eve', 'active', 5]);
    const taken = await runCli(['import', path, '--keep-id', '--json'], env);
    assert.equal(taken.code, 4, taken.stderr);
    assert.match(taken.stdout, /SessionExists/);
    // Not with an option that only `create` has.
    assert.match(taken.stderr + taken.stdout, /Choose another id; `copilot show \S+` shows/);
  });

  it('a workspace that cannot be made stops the tools that need files, and no others', async () => {
    playToolCalls(world.model);
    const file = join(world.server.homeDir, 'a-file');
    await writeFile(file, '');
    const session = await world.copilot.create({ mode: 'one-shot', config: { workspace: join(file, 'below') } });
    const sum = await session.send('use calculate with {"expression": "2 + 3"}');
    assert.deepEqual([sum.status, sum.reply], ['completed', 'calculate gave: 5']);
    const listing = await session.send('use list_files with {"path": "."}');
    assert.equal(listing.status, 'completed', JSON.stringify(listing.error));
    assert.match(listing.reply ?? '', /the workspace "[^"]+below" does not exist and cannot be made/);
  });

  it('a file that is no exported session is refused by the name of the field, and leaves nothing behind', async () => {
    const file = await exported(await told());
    const runs = async (): Promise<string[]> => {
      const ids = [];
      for await (const { runId } of world.temporal.workflow.list()) ids.push(runId);
      return ids;
    };
    // Of sessions that other tests delete, some may still be there.
    const before = new Set(await runs());
    assert.ok(before.size > 0);
    const refused = async (given: unknown, message: RegExp) =>
      fails(world.copilot.import(given), 'InvalidInput', message);
    await refused('hello', /file is not valid: it is not an exported session/);
    await refused({ ...file, schemaVersion: 2 }, /file\.schemaVersion \(2\).*reads version 1/);
    await refused({ ...file, extra: 1 }, /extra/);
    await refused({ ...file, conversation: [{ role: 'robot', text: '' }] }, /file\.conversation\.0\.role/);
    await refused({ ...file, session: { ...file.session, turnCount: -1 } }, /file\.session\.turnCount \(-1\)/);
    // Under the digest of a team that the workers know, another one.
    const definition = { ...file.team.definition, description: 'another team' };
    await refused(
      { ...file, team: { ...file.team, definition } },
      /file\.team\.digest \("[0-9a-f]{64}"\).*does not match the definition/,
    );
    const values = { ...file.context.values, large: 'x'.repeat(300_000) };
    await refused({ ...file, context: { ...file.context, values } }, /larger than/);
    const long = Array.from({ length: 9 }, () => ({ role: 'user', text: 'x'.repeat(250_000) }));
    await refused({ ...file, conversation: long }, /bytes long as JSON, more than the \d+ that Temporal accepts/);
    // What only the session itself can see: a snapshot that does not fit its context.
    const [snapshot] = file.context.snapshots;
    const patch = { items: [[0, 5]] };
    await refused({ ...file, context: { ...file.context, snapshots: [{ ...snapshot, patch }] } }, /./);
    await until('it is gone', async () => (await runs()).every((run) => before.has(run)), 90_000);
    const cli = await runCli(['import', '-', '--json'], env, JSON.stringify({ ...file, schemaVersion: 2 }));
    assert.equal(cli.code, 2, cli.stderr);
  });
});
