/** Sessions as a session store: kept, loaded, changed and deleted, also when everything is killed in between. */
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CopilotError, SessionHandle } from '../../src/client.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { isFull } from '../helpers/full.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const CONVERSATION = [
  { role: 'user', text: 'What is the capital of Peru?' },
  { role: 'assistant', text: 'Lima.' },
] as const;
const SAVED = { conversation: CONVERSATION, context: { country: 'Peru' }, phase: 'planning', step: 2 };

const textsOf = (messages: readonly { role: string; text: string }[]): { role: string; text: string }[] =>
  messages.map(({ role, text }) => ({ role, text }));

/** The script of a session manager. `pause` runs between every two calls. */
async function manage(world: World, pause: () => Promise<void>): Promise<void> {
  const { id } = await world.copilot.create({ mode: 'copilot', user: 'mia', name: 'managed' });
  const session = (): SessionHandle => world.copilot.session(id);
  await pause();
  const saved = await session().save({ ...SAVED, plan: [{ task: 'look it up' }] }, { expectedVersion: 1 });
  assert.deepEqual([saved.changed, saved.version, saved.skipped], [true, 2, []]);
  await pause();
  const { createdAt, updatedAt, ...loaded } = await session().load();
  // Equal where one worker's first task has both: a session's time stands still within a task.
  assert.ok(createdAt <= updatedAt, `${createdAt} ${updatedAt}`);
  assert.equal(updatedAt, saved.updatedAt);
  assert.deepEqual(
    { ...loaded, conversation: textsOf(loaded.conversation) },
    {
      ...SAVED,
      sessionId: id,
      mode: 'copilot',
      plan: [{ task: 'look it up' }],
      status: 'active',
      config: {},
      version: 2,
    },
  );
  await pause();
  assert.equal((await session().setContext('city', 'Lima', { expectedVersion: 2 })).version, 3);
  await pause();
  assert.deepEqual(await session().suspend({ reason: 'lunch' }), { changed: true, status: 'suspended' });
  await pause();
  assert.deepEqual([(await session().load()).status, (await session().info()).suspendReason], ['suspended', 'lunch']);
  assert.deepEqual(await session().continue(), { changed: true, status: 'active' });
  await pause();
  const listed = async () => (await world.copilot.list({ status: 'active', user: 'mia' })).sessions;
  const [row] = await until('the list', async () => ((await listed()).length > 0 ? listed() : undefined));
  assert.deepEqual([row?.id, row?.name, row?.status], [id, 'managed', 'active']);
  await pause();
  assert.deepEqual((await session().context()).values, { country: 'Peru', city: 'Lima' });
  assert.deepEqual(await session().complete(), { changed: true, status: 'completed' });
  await pause();
  assert.equal((await session().info()).status, 'completed');
  await session().delete();
  await pause();
  await fails(session().info(), 'SessionNotFound', new RegExp(id));
  assert.deepEqual((await world.copilot.list({ user: 'mia' })).sessions, []);
}

describe('session service', function () {
  this.timeout(300_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
    playTeam(world.model);
  });
  after(() => world.stop());

  /** Runs the program, and gives its exit code and the error that it reports. */
  async function failing(...args: string[]): Promise<[code: number | null, type: string, message: string]> {
    const { code, stdout, stderr } = await runCli([...args, '--json'], env);
    assert.match(stdout, /^\{"error":/, `${args.join(' ')}: ${stdout}${stderr}`);
    const { error } = JSON.parse(stdout) as { error: Pick<CopilotError, 'type' | 'message'> };
    return [code, error.type, error.message];
  }

  async function file(content: unknown): Promise<string> {
    const path = join(await mkdtemp(join(world.server.homeDir, 'in-')), 'input.json');
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  }

  it('[S17] the script of a session manager runs end to end', async () => {
    await manage(world, () => Promise.resolve());
  });

  // The usual run shows this call by call, with a single kill, in durability.test.ts.
  if (isFull) {
    it('[S04] the same script when server and worker are killed between every two calls', async () => {
      await manage(world, async () => {
        await Promise.all([world.server.kill(), ...world.workers.map((worker) => worker.kill())]);
        await world.server.restart();
        await world.startWorker();
        await world.reconnect();
      });
    });
  }

  it('[S05] save replaces everything, null included, the plan only when given, and only while active', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', context: { old: 1 }, message: 'hello' });
    await session.awaitTurn('turn-1');
    const before = await session.load();
    const first = await session.save({ ...SAVED, plan: ['a', 'b'] });
    assert.equal(first.version, before.version + 1);
    assert.ok(first.updatedAt > before.updatedAt);
    // The first message is a protected value.
    assert.deepEqual((await session.load()).context, { ...SAVED.context, initial_task: 'hello' });
    await session.save({ conversation: [], context: {}, phase: null, step: null });
    const emptied = await session.load();
    assert.deepEqual(
      [emptied.conversation, emptied.phase, emptied.step, emptied.plan, emptied.context],
      [[], null, null, ['a', 'b'], { initial_task: 'hello' }],
    );
    await session.suspend();
    const { version } = await session.load();
    await fails(session.save(SAVED), 'WrongState', /needs a session that is active; this one is suspended/);
    assert.deepEqual((await failing('save', session.id, await file(SAVED))).slice(0, 2), [4, 'WrongState']);
    assert.equal((await session.load()).version, version);
    await session.complete();
    await fails(session.save(SAVED), 'SessionClosed', /is completed/);
  });

  it('[S07] load gives active and suspended sessions, and says what still works of others', async () => {
    const session = await world.copilot.create({ config: { idleTimeoutMs: null }, context: { a: [1] } });
    const loaded = await session.load();
    const { name: _, ...expected } = { name: '', ...loaded };
    assert.deepEqual(expected, {
      sessionId: session.id,
      mode: 'copilot',
      conversation: [],
      context: { a: [1] },
      phase: 'init',
      step: null,
      plan: null,
      status: 'active',
      config: { idleTimeoutMs: null },
      createdAt: loaded.createdAt,
      updatedAt: loaded.updatedAt,
      version: 1,
    });
    assert.match(loaded.createdAt, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    await session.suspend();
    assert.equal((await session.load()).status, 'suspended');
    await session.complete();
    await fails(session.load(), 'WrongState', /this one is completed\. Info, export and fork still work/);
    assert.deepEqual((await failing('load', session.id)).slice(0, 2), [4, 'WrongState']);
  });

  it('what load --json wrote can be edited and saved, and undoes nothing that was changed meanwhile', async () => {
    const { id } = await world.copilot.create({ context: { city: 'Ulm' } });
    const { stdout } = await runCli(['load', id, '--json'], env);
    const loaded = JSON.parse(stdout) as { context: object };
    const path = await file({ ...loaded, context: { city: 'Lima' } });
    const saved = await runCli(['save', id, path], env);
    assert.equal(saved.code, 0, saved.stderr);
    assert.match(saved.stdout, /changed, version 2, context version/);
    assert.deepEqual((await world.copilot.session(id).context()).values, { city: 'Lima' });
    const [code, type, message] = await failing('save', id, path);
    assert.deepEqual([code, type], [4, 'VersionConflict']);
    assert.match(message, /at version 2, not 1/);
  });

  it('a protected key keeps its value, and says so', async () => {
    const session = await world.copilot.create({});
    await session.setContext('budget', 100, { protect: true });
    await fails(session.setContext('budget', 200), 'ProtectedKey', /"budget" is protected/);
    await fails(session.deleteContext('budget'), 'ProtectedKey', /"budget"/);
    assert.equal((await session.setContext('budget', 100)).changed, false);
    assert.deepEqual((await session.updateContext({ budget: 1, other: 2 })).skipped, ['budget']);
    assert.deepEqual((await session.mergeContext({ budget: 1 }, { strategy: 'replace' })).skipped, ['budget']);
    const { values, protectedKeys } = await session.context();
    assert.deepEqual([values, protectedKeys], [{ budget: 100 }, ['budget']]);
    assert.deepEqual((await failing('context', 'set', session.id, 'budget', '7')).slice(0, 2), [4, 'ProtectedKey']);
    assert.deepEqual((await failing('context', 'delete', session.id, 'budget')).slice(0, 2), [4, 'ProtectedKey']);
  });

  it('[C05] values are merged safely, as an update, as a replacement or under a prefix', async () => {
    const { id } = await world.copilot.create({ context: { a: 1, b: 1 } });
    const session = world.copilot.session(id);
    const values = async () => (await session.context()).values;
    assert.deepEqual((await session.mergeContext({ a: 2, c: 2 })).skipped, ['a']);
    assert.deepEqual(await values(), { a: 1, b: 1, c: 2 });
    await session.mergeContext({ a: 3 }, { strategy: 'update' });
    assert.deepEqual(await values(), { a: 3, b: 1, c: 2 });
    await session.mergeContext({ a: 4 }, { strategy: 'replace' });
    assert.deepEqual(await values(), { a: 4 });
    await session.mergeContext({ a: 5 }, { strategy: 'prefixed', prefix: 'new_' });
    assert.deepEqual(await values(), { a: 4, new_a: 5 });
    await fails(session.mergeContext({ a: 6 }, { strategy: 'prefixed' }), 'InvalidInput', /needs a prefix/);
    await fails(session.mergeContext({ a: 6 }, { strategy: 'hope' as 'safe' }), 'InvalidInput', /strategy \("hope"\)/);
    const path = await file({ a: 6 });
    assert.deepEqual((await failing('context', 'merge', id, path, '--strategy', 'hope')).slice(0, 2), [
      2,
      'InvalidInput',
    ]);
    assert.deepEqual((await failing('context', 'merge', id, path, '--strategy', 'prefixed')).slice(0, 2), [
      2,
      'InvalidInput',
    ]);
    assert.deepEqual(await values(), { a: 4, new_a: 5 });
  });

  it('a snapshot is restored by id, version or as the latest, and a missing one is SnapshotNotFound', async () => {
    const session = await world.copilot.create({ context: { draft: 'one' } });
    await fails(session.restoreContext('latest'), 'SnapshotNotFound', /"latest".*none yet/);
    await session.snapshot('first');
    await session.setContext('draft', 'two');
    await session.snapshot('second');
    await session.setContext('draft', 'three');
    const [first, second] = await session.snapshots();
    assert.deepEqual([first?.reason, second?.reason], ['first', 'second']);
    const draft = async () => (await session.context()).values['draft'];
    await session.restoreContext('latest');
    assert.equal(await draft(), 'two');
    await session.restoreContext(first?.id ?? '');
    assert.equal(await draft(), 'one');
    await session.restoreContext(second?.version ?? 0);
    assert.equal(await draft(), 'two');
    assert.deepEqual((await session.changes()).at(-1)?.from, { id: second?.id, version: second?.version });
    const { changed } = await session.contextDiff(first?.id ?? '', 'present');
    assert.deepEqual(
      changed.map(({ path, old, new: now }) => [path, old.json, now.json]),
      [['/draft', '"one"', '"two"']],
    );
    await fails(session.restoreContext('snap-99'), 'SnapshotNotFound', /"snap-99".*snap-1 \(version/);
    await fails(session.contextDiff('snap-99'), 'SnapshotNotFound', /snap-2/);
    assert.deepEqual((await failing('restore', session.id, 'snap-99')).slice(0, 2), [3, 'SnapshotNotFound']);
    assert.deepEqual((await failing('diff', session.id, 'snap-99')).slice(0, 2), [3, 'SnapshotNotFound']);
    assert.ok((await session.contextSize()).bytes > 0);
  });

  it('wrong use of a command is exit code 2, and says what is wrong with what', async () => {
    const { id } = await world.copilot.create({});
    const [code, type, message] = await failing('save', id, await file('{"conversation": ['));
    assert.deepEqual([code, type], [2, 'InvalidInput']);
    assert.match(message, /input\.json" is not valid: it is not JSON/);
    assert.match((await failing('save', id, await file({ ...SAVED, step: -1 })))[2], /step \(-1\)/);
    assert.match((await failing('save', id, await file({ ...SAVED, extra: 1 })))[2], /extra/);
    assert.match((await failing('save', id, '/nowhere/x.json'))[2], /cannot be read/);
    assert.match((await failing('context', 'get', id, 'nothing'))[2], /key "nothing" is not valid: it is not set/);
    assert.match((await failing('delete', id))[2], /--yes/);
    assert.equal((await world.copilot.session(id).load()).version, 1);
  });

  it('list --count counts by status', async () => {
    const user = `counted-${Date.now()}`;
    for (const status of ['active', 'active', 'suspended'] as const) {
      const session = await world.copilot.create({ user });
      if (status === 'suspended') await session.suspend();
    }
    await until('the list', async () => (await world.copilot.count({ user, status: 'suspended' })) === 1);
    await until('the list', async () => (await world.copilot.count({ user, status: 'active' })) === 2);
    const all = await runCli(['list', '--user', user, '--count', '--json'], env);
    const byStatus = { active: 2, suspended: 1, completed: 0, expired: 0, terminated: 0, failed: 0 };
    assert.deepEqual(JSON.parse(all.stdout), { count: 3, byStatus });
    const one = await runCli(['list', '--user', user, '--status', 'active', '--count'], env);
    assert.equal(one.stdout, '2\n');
  });
});
