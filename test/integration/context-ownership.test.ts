/** Whose the values of a context are: those of people and programs stay, and the session keeps its records apart. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionHandle } from '../../src/client.ts';
import { SESSION_WORKFLOW } from '../../src/contracts/messages.ts';
import { runCli } from '../helpers/cli.ts';
import { until } from '../helpers/history.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { calling } from '../helpers/replies.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { itInFull } from '../helpers/full.ts';
import type { World } from '../helpers/world.ts';

/** Long enough for a call of a client while the model thinks. */
const THINKING_MS = 2_000;
const KIB = 1_024;

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

describe('values of a context', function () {
  this.timeout(180_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorldOf({ default: { agents: { writer: { tools: ['remember', 'read_file', 'write_file'] } } } });
    env = programEnvironment(world.server);
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  const copilot = (...args: string[]) => runCli(args, env);
  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await copilot(...args);
    assert.equal(code, 0, stderr + stdout);
    return stdout.trim();
  }

  async function untilRun(session: SessionHandle, runs: number): Promise<void> {
    for (let n = 1; (await session.info()).runs < runs; n++) await session.send(`message ${n}`);
  }

  it('[C17] a plan leaves what the creator called plan, results and route, and records itself under copilot', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const own = { plan: 'mine', results: 'mine', route: { mine: true } };
    const session = await world.copilot.create({ context: own });
    assert.equal((await session.send('write a file')).status, 'completed');
    const { values } = await session.context();
    const records = values['copilot'] as { plan: { task: string }[]; results: object[]; route: { route: string } };
    assert.deepEqual({ plan: values['plan'], results: values['results'], route: values['route'] }, own);
    assert.deepEqual([records.plan.length, records.results.length, records.route.route], [1, 1, 'planned']);
    assert.deepEqual(await session.getContext('copilot.plan'), records.plan);
    assert.deepEqual(JSON.parse(await run('context', 'get', session.id, 'copilot.plan')), records.plan);
  });

  it('[C17] an agent changes what agents remembered, and never what a person set', async () => {
    let value = 0;
    const told: string[] = [];
    playTeam(world.model, {
      instead: (call) => {
        if (call.phase !== 'one-shot') return undefined;
        if (call.last.startsWith('turn')) {
          value += 1;
          const remembered = ['audience', 'progress', 'temp', 'copilot.plan', 'current_task'];
          return calling(...remembered.map((key) => ['remember', { key, value }] as const));
        }
        return undefined;
      },
    });
    const session = await world.copilot.create({ mode: 'one-shot', context: { audience: 'children' } });
    await session.setContext('temp', 'mine', { ephemeral: true });
    const turn = async (text: string): Promise<unknown[]> => {
      assert.equal((await session.send(text)).status, 'completed');
      const { values } = await session.context();
      return [values['audience'], values['progress'], values['temp'], values['copilot.plan'], values['current_task']];
    };
    assert.deepEqual(await turn('turn 1'), ['children', 1, 'mine', undefined, undefined]);
    assert.deepEqual(await turn('turn 2'), ['children', 2, 'mine', undefined, 'turn 2']);
    await session.setContext('progress', 'set by a person');
    assert.deepEqual(await turn('turn 3'), ['children', 'set by a person', 'mine', undefined, 'turn 3']);
    for (const { body } of world.model.requests) told.push(JSON.stringify(body.messages));
    assert.match(told.join(), /Not remembered: \\"audience\\" was set by a person or a program/);
  });

  it('[C17] writing to a reserved name is a clear error, by every way in, and nothing else of that call happens', async () => {
    const names = ['copilot', 'copilot.plan', 'session_id', 'run_id', 'workflow_id', 'initial_task', 'current_task'];
    const session = await world.copilot.create({ context: { keep: 1 } });
    const { version } = await session.context();
    for (const name of names) {
      const error = {
        type: 'ReservedKey',
        message: new RegExp(`^Context key "${name}" is reserved: .* Use another key`),
      };
      const values = { keep: 2, [name]: 'x' };
      await assert.rejects(world.copilot.create({ context: values }), error);
      await assert.rejects(session.setContext(name, 'x'), error);
      await assert.rejects(session.setContext(name, 'x', { ephemeral: true }), error);
      await assert.rejects(session.updateContext(values), error);
      for (const strategy of ['safe', 'update', 'replace'] as const)
        await assert.rejects(session.mergeContext(values, { strategy }), error);
      await assert.rejects(session.save({ conversation: [], context: values, phase: null, step: null }), error);
      const deleted = ['copilot', 'copilot.plan', 'current_task'].includes(name) ? 'ReservedKey' : 'ProtectedKey';
      await assert.rejects(session.deleteContext(name), { type: deleted });
    }
    const prefixed = session.mergeContext({ '.x': 1 }, { strategy: 'prefixed', prefix: 'copilot' });
    await assert.rejects(prefixed, { type: 'ReservedKey', message: /"copilot\.x"/ });
    assert.deepEqual([(await session.context()).version, await session.getContext('keep')], [version, 1]);
    const { code, stderr } = await copilot('start', '--context', 'initial_task=x', 'keep=1');
    assert.deepEqual([code, stderr.startsWith('error: Context key "initial_task" is reserved')], [2, true], stderr);
    // What a file of the session itself says is no change.
    await session.send('hello');
    await session.send('hello again');
    const { conversation, context, phase, step } = await session.load();
    const saved = await session.save({ conversation, context: { ...context, more: 1 }, phase, step });
    assert.deepEqual(saved.skipped, []);
    assert.deepEqual([await session.getContext('current_task'), await session.getContext('more')], ['hello again', 1]);
    assert.deepEqual((await session.mergeContext({}, { strategy: 'replace' })).skipped, []);
    assert.deepEqual(Object.keys((await session.context()).values).toSorted(), [
      'copilot',
      'current_task',
      'initial_task',
    ]);
  });

  it('[C17] a workflow that is started with a reserved name fails and says why', async () => {
    const session = await world.copilot.create();
    const { team } = await session.export();
    const start = { team, context: { initial_task: 'x', keep: 1 } };
    const handle = await world.temporal.workflow.start(SESSION_WORKFLOW, {
      workflowId: `${session.id}-raw`,
      taskQueue: 'copilot',
      args: [{ start }],
    });
    await assert.rejects(handle.result(), (error: Error) => /"initial_task" is reserved/.test(String(error.cause)));
  });

  it('[C18] ephemeral values are read, logged and cleared, stay over continue-as-new, and are in no file', async () => {
    const session = await world.copilot.create({
      mode: 'one-shot',
      config: { historyLimit: 40 },
      context: { city: 'Ulm' },
    });
    await run('context', 'set', session.id, 'temp', '"a passing value"', '--ephemeral');
    const read = async (): Promise<unknown[]> => [
      await run('context', 'get', session.id, 'temp'),
      (JSON.parse(await run('context', 'get', session.id)) as Record<string, unknown>)['temp'],
      JSON.parse(await run('context', 'has', session.id, 'temp', '--json')),
      (await session.context()).ephemeralKeys,
    ];
    const there = ['a passing value', 'a passing value', { key: 'temp', has: true }, ['temp']];
    assert.deepEqual(await read(), there);
    const { version } = await session.context();
    await untilRun(session, 3);
    assert.deepEqual(await read(), there);
    assert.match(await run('context', 'changes', session.id), /set \(ephemeral\) +temp/);
    await session.snapshot('mine');
    const outside = [
      await session.export(),
      await session.savedContext(),
      await session.load(),
      await session.getSnapshot('latest'),
    ];
    for (const file of outside) assert.doesNotMatch(JSON.stringify(file), /a passing value/);
    const imported = await world.copilot.import(await session.export());
    assert.equal(await imported.hasContext('temp'), false);
    assert.equal(await (await session.fork()).hasContext('temp'), false);

    assert.match(await run('context', 'clear', session.id), /: changed,/);
    assert.match(await run('context', 'clear', session.id), /: nothing changed,/);
    const gone = await copilot('context', 'has', session.id, 'temp');
    assert.deepEqual([gone.code, gone.stdout.trim()], [1, 'false']);
    assert.deepEqual([await session.getContext('city'), (await session.context()).version > version], ['Ulm', true]);
    const cleared = (await session.changes()).at(-1);
    assert.deepEqual([cleared?.op, cleared?.ephemeral, cleared?.keys], ['clear', true, ['temp']]);
    await session.setContext('temp', 'again', { ephemeral: true });
    await session.complete();
    assert.deepEqual([await session.hasContext('temp'), await session.hasContext('city')], [false, true]);
  });

  itInFull(
    '[C19] a snapshot that a person took is there after 60 turns, and a note says when one has to go',
    async () => {
      const session = await world.copilot.create({ mode: 'one-shot', context: { city: 'Ulm' } });
      const { snapshot } = await session.snapshot('mine', { metadata: { ticket: 17 } });
      for (let turn = 1; turn <= 60; turn++) await session.send(`message ${turn}`);
      assert.equal((await session.snapshots()).length, 50);
      assert.deepEqual(await session.getSnapshot(snapshot.id), { ...snapshot, data: { city: 'Ulm' } });
      assert.deepEqual((await session.info()).notes, []);
      for (let n = 1; n <= 50; n++) await session.snapshot(`more ${n}`);
      await assert.rejects(session.getSnapshot(snapshot.id), { type: 'SnapshotNotFound', message: /more|older/ });
      const notes = (await session.info()).notes.map(({ text }) => text);
      assert.match(notes.join(), new RegExp(`Snapshots ${snapshot.id} of people or programs were dropped`));
    },
  );

  it('[C20] a saved context comes back into its session as one new version, by client and CLI', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', context: { city: 'Ulm', list: [1, 2] } });
    await session.send('hello');
    await session.snapshot('mine');
    const folder = await mkdtemp(join(world.server.homeDir, 'saved-'));
    const [path, whole] = [join(folder, 'context.json'), join(folder, 'session.json')];
    await run('context', 'save', session.id, path);
    await run('export', session.id, whole);
    const saved = JSON.parse(await readFile(path, 'utf8')) as Awaited<ReturnType<SessionHandle['savedContext']>>;
    assert.deepEqual(saved, await session.savedContext());
    const { values } = await session.context();
    for (const load of [
      () => session.loadContext(saved),
      () => run('context', 'load', session.id, path),
      () => run('context', 'load', session.id, whole),
    ]) {
      await session.updateContext({ city: 'Bonn', other: true });
      await session.deleteContext('list');
      const before = await session.context();
      await load();
      const after = await session.context();
      assert.deepEqual([after.values, after.version], [values, before.version + 1]);
      assert.equal((await session.changes()).at(-1)?.op, 'load');
    }
    const known = (await session.snapshots()).map(({ id }) => id);
    for (const { id } of saved.snapshots) assert.ok(known.includes(id), id);
    assert.deepEqual((await session.changes()).slice(0, saved.changes.length), saved.changes);
    const { version } = await session.info();
    await assert.rejects(session.loadContext(saved, { expectedVersion: version - 1 }), { type: 'VersionConflict' });
    await writeFile(path, JSON.stringify({ ...saved, values: { bad: 1 }, snapshots: [{ id: 'x' }] }));
    const { code, stderr } = await copilot('context', 'load', session.id, path);
    assert.deepEqual([code, /context\.snapshots/.test(stderr)], [2, true], stderr);
    assert.deepEqual((await session.context()).values, values);
    assert.equal((await session.send('and on')).status, 'completed');
  });

  it('the values alone go from one session to another through a file', async () => {
    const from = await world.copilot.create({ context: { city: 'Ulm', list: [1, { two: 2 }] } });
    const to = await world.copilot.create({ context: { city: 'Lima', other: true } });
    const path = join(await mkdtemp(join(world.server.homeDir, 'values-')), 'values.json');
    await writeFile(path, await run('context', 'get', from.id));
    await run('context', 'merge', to.id, path, '--strategy', 'replace');
    assert.deepEqual((await to.context()).values, (await from.context()).values);
  });

  it('a context that has no room for a message or a result costs neither the turn nor the session', async () => {
    const full = 'x'.repeat(256 * KIB - jsonBytes({ full: '' }));
    playTeam(world.model, { files: ['z.txt'], answer: 'written all the same' });
    const session = await world.copilot.create({ mode: 'copilot', context: { full } });
    const turn = await session.send('please write');
    assert.deepEqual([turn.status, turn.reply], ['completed', 'written all the same']);
    assert.deepEqual(Object.keys((await session.context()).values), ['full']);
    const notes = (await session.info()).notes.map(({ text }) => text).join('\n');
    for (const key of ['initial_task', 'copilot']) assert.match(notes, new RegExp(`"${key}".*262144 are allowed`));
    assert.equal((await session.send('hello')).status, 'completed');

    // A user fills it while a step runs: its result no longer fits.
    const other = await world.copilot.create({ mode: 'copilot' });
    playTeam(world.model, { files: ['z.txt'], delayMs: THINKING_MS, answer: 'still written' });
    const late = other.send('write');
    await until('a step', async () => (await other.info()).phase === 'executing');
    const { bytes } = await other.contextSize();
    await other.setContext('full', 'x'.repeat(256 * KIB - bytes - jsonBytes({ full: '' }) + 1));
    assert.deepEqual([(await late).status, (await late).reply], ['completed', 'still written']);
    assert.deepEqual(await other.getContext('copilot.results'), []);
    assert.match((await other.info()).notes.at(-1)?.text ?? '', /"copilot".*262144 are allowed/);
  });

  it('[C21] one key is read with a default, a snapshot with its data and metadata, and `context snapshot` prints its id', async () => {
    const session = await world.copilot.create({
      context: { city: 'Ulm', nothing: null, 'a.b': 1, a: { b: 2, c: 3 } },
    });
    assert.deepEqual(
      [
        await session.getContext('city', 'Bonn'),
        await session.getContext('nothing', 'x'),
        await session.getContext('gone', 'x'),
        await session.getContext('gone'),
        await session.getContext('toString'),
        await session.getContext('a.b'),
        await session.getContext('a.c'),
      ],
      ['Ulm', null, 'x', undefined, undefined, 1, 3],
    );
    assert.equal(await run('context', 'get', session.id, 'gone', '--default', 'none'), 'none');
    assert.equal(await run('context', 'get', session.id, 'city', '--default', 'none'), 'Ulm');
    const taken = await run('context', 'snapshot', session.id, 'before it', '--metadata', 'ticket=17', 'by=ada');
    const id = /^snap-\d+/.exec(taken)?.[0] ?? assert.fail(taken);
    await session.setContext('city', 'Bonn');
    const read = JSON.parse(await run('snapshots', session.id, id)) as object;
    const { timestamp, ...shown } = await session.getSnapshot(id);
    assert.deepEqual(read, { ...shown, timestamp });
    const data = { city: 'Ulm', nothing: null, 'a.b': 1, a: { b: 2, c: 3 } };
    const metadata = { ticket: 17, by: 'ada', turn: 0 };
    assert.deepEqual(shown, { id, version: 1, reason: 'before it', kind: 'manual', metadata, data });
    await assert.rejects(session.getSnapshot('snap-99'), { type: 'SnapshotNotFound', message: /"snap-99".*snap-1/ });
    await assert.rejects(session.snapshot('x', { metadata: { turn: 7 } }), { type: 'InvalidInput', message: /turn/ });
    await assert.rejects(session.snapshot('x', { metadata: { big: 'x'.repeat(5_000) } }), {
      type: 'InvalidInput',
      message: /4096 bytes/,
    });
  });

  it('[C21] templates know session_id, run_id and initial_task', async () => {
    const instructions = 'Session {{session_id}}, run {{run_id}}, task {{initial_task}}.';
    const first = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'one-shot', config: { agents: { writer: { instructions } } } });
    await session.send('the task');
    await session.send('another one');
    const { runId } = await world.temporal.workflow.getHandle(session.id).describe();
    const systems = world.model.requests.slice(first).map(({ body }) => readCall(body).system);
    const wanted = `Session ${session.id}, run ${runId}, task the task.`;
    assert.deepEqual(
      systems.map((system) => system.includes(wanted)),
      [true, true],
      systems.join('\n'),
    );
  });
});
