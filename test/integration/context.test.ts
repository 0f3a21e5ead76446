/** The context of real sessions: around phases, in files, measured and shortened, kept by itself, safe from what fails. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionExport, SessionHandle } from '../../src/client.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';
import { runCli } from '../helpers/cli.ts';
import { collect } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import type { ScriptedReply } from '../helpers/model-server.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { playTeam, readCall, type ScriptedCall } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import type { World } from '../helpers/world.ts';
import { distinctWords } from '../helpers/words.ts';
import { itInFull } from '../helpers/full.ts';
import { calling } from '../helpers/replies.ts';

/** Long enough for a few calls of a client while the model thinks. */
const THINKING_MS = 2_000;
const KIB = 1_024;

const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));
const stepOf = ({ last }: ScriptedCall): string | undefined => /# Your step\nwrite (\S+)/.exec(last)?.[1];
const planOf = (tasks: readonly string[], agent = 'engineer'): ScriptedReply => ({
  json: { steps: tasks.map((task) => ({ agent, task, notes: '' })) },
});
const failure: ScriptedReply = {
  toolCalls: [{ name: 'report_step', arguments: { status: 'failed', summary: 'no such luck' } }],
};

describe('context of a session', function () {
  this.timeout(180_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    const instructions = 'I am the writer.{{#if audience}} Your readers: {{audience}}{{/if}}';
    world = await startWorldOf({ default: { agents: { writer: { instructions } } } });
    env = programEnvironment(world.server);
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  async function valuesOf(session: SessionHandle): Promise<Record<string, unknown>> {
    return (await session.context()).values;
  }

  /** `before_routing_phase of 1` and so on, with the id of the snapshot that shows it. */
  async function snapshotsOf(session: SessionHandle): Promise<Map<string, string>> {
    const list = await session.snapshots();
    return new Map(
      list.flatMap(({ id, reason, metadata, also = [] }) =>
        [{ reason, turn: metadata['turn'] }, ...also].map((at) => [`${at.reason} of ${JSON.stringify(at.turn)}`, id]),
      ),
    );
  }

  /** Waits until the model has been asked by a call that matches. */
  async function asked(matches: (call: ScriptedCall) => boolean): Promise<void> {
    await until('the call', async () => world.model.requests.some(({ body }) => matches(readCall(body))));
  }

  async function run(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await runCli(args, env);
    assert.equal(code, 0, stderr + stdout);
    return stdout;
  }

  async function newFile(): Promise<string> {
    return join(await mkdtemp(join(world.server.homeDir, 'context-')), 'context.json');
  }

  it('[C07] there is a snapshot before and after each phase, and its results lie between them', async () => {
    playTeam(world.model, { files: ['x.txt', 'y.txt'] });
    const session = await world.copilot.create({ mode: 'copilot' });
    await session.send('write two files');
    playTeam(world.model);
    await session.send('hello');
    const taken = await snapshotsOf(session);
    const around = (turn: number, ...phases: string[]) =>
      phases.flatMap((phase) => [`before_${phase}_phase of ${turn}`, `after_${phase}_phase of ${turn}`]);
    assert.deepEqual(
      [...taken.keys()],
      [...around(1, 'routing', 'planning', 'executing'), ...around(2, 'routing', 'one-shot')],
    );
    const between = async (...ends: [from: string, to: string]): Promise<string[]> => {
      const [from = '', to = ''] = ends.map((end) => taken.get(end.replace(' of', '_phase of')));
      const diff = await session.contextDiff(from, to);
      assert.deepEqual([diff.removed, diff.more], [[], 0]);
      return [...diff.added, ...diff.changed].map(({ path }) => path);
    };
    assert.deepEqual(await between('before_routing of 1', 'after_routing of 1'), ['/copilot']);
    assert.deepEqual(await between('after_routing of 1', 'before_planning of 1'), []);
    assert.deepEqual(await between('before_planning of 1', 'after_planning of 1'), [
      '/copilot/plan',
      '/copilot/results',
    ]);
    assert.deepEqual(await between('after_planning of 1', 'before_executing of 1'), []);
    assert.deepEqual(await between('before_executing of 1', 'after_executing of 1'), [
      '/copilot/results/0',
      '/copilot/results/1',
    ]);
    assert.deepEqual(await between('after_executing of 1', 'before_routing of 2'), ['/current_task']);
    assert.deepEqual(await between('before_routing of 2', 'after_routing of 2'), [
      '/copilot/route/route',
      '/copilot/route/task',
    ]);
    assert.deepEqual(await between('before_one-shot of 2', 'after_one-shot of 2'), []);
  });

  it('[C07] [C17] a phase works on a copy: what others set before or meanwhile stays, and its results come after it', async () => {
    const planned = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const writesFile = (file: string): ScriptedReply => ({
      ...(file === 'a.txt' ? { after: written.promise } : {}),
      toolCalls: [{ name: 'write_file', arguments: { path: file, content: 'text' } }],
    });
    playTeam(world.model, {
      files: ['a.txt', 'b.txt'],
      instead: (call) => {
        if (call.phase === 'planning')
          return { ...planOf(['write a.txt', 'write b.txt'], 'writer'), after: planned.promise };
        const file = call.phase === 'step' ? stepOf(call) : undefined;
        return file === undefined ? undefined : writesFile(file);
      },
    });
    const session = await world.copilot.create({
      mode: 'copilot',
      context: { audience: 'children', budget: 1, results: 'mine' },
    });
    const firstCall = world.model.requests.length;
    const turn = session.send('write two files');
    await until('planning', async () => (await session.info()).phase === 'planning');
    await session.setContext('budget', 2);
    await session.setContext('plan', 'my own');
    const whilePlanning = await session.context();
    assert.equal((await session.info()).phase, 'planning');
    planned.resolve();
    await asked(({ phase, last }) => phase === 'step' && last.includes('write a.txt'));
    const whileExecuting = await session.context();
    await session.setContext('audience', 'lawyers');
    await session.deleteContext('budget');
    assert.deepEqual([(await session.info()).phase, (await session.info()).step], ['executing', 1]);
    written.resolve();
    assert.equal((await turn).status, 'completed');

    const route = { route: 'planned', agent: 'writer', task: 'write two files' };
    const own = { results: 'mine', plan: 'my own', initial_task: 'write two files' };
    assert.deepEqual(whilePlanning.values, { audience: 'children', budget: 2, ...own, copilot: { route } });
    const plan = ['a.txt', 'b.txt'].map((file) => ({ agent: 'writer', task: `write ${file}` }));
    const copilot = { route, plan, results: [] };
    assert.deepEqual(whileExecuting.values, { audience: 'children', budget: 2, ...own, copilot });
    const results = [1, 2].map((step) => ({ step, summary: `Wrote ${step === 1 ? 'a' : 'b'}.txt (4 bytes).` }));
    assert.deepEqual(await valuesOf(session), { audience: 'lawyers', ...own, copilot: { route, plan, results } });
    const done = (await session.changes()).map(({ version, strategy, op, keys }) =>
      [version, strategy ?? op, ...keys].join(' '),
    );
    assert.deepEqual(done.slice(2, 6), ['3 branch copilot', '4 set budget', '5 set plan', '6 branch copilot']);
    assert.deepEqual(done.slice(6), ['7 set audience', '8 delete budget', '9 branch copilot', '10 branch copilot']);
    // An agent reads the copy too: step 1 in both of its rounds, and only step 2 knows of the change.
    const readers = world.model.requests.slice(firstCall).flatMap(({ body }) => {
      const call = readCall(body);
      return call.phase === 'step' ? [/Your readers: (\w+)/.exec(call.system)?.[1]] : [];
    });
    assert.deepEqual(readers, ['children', 'children', 'lawyers', 'lawyers']);
  });

  it('[C10] data, version, snapshots and log survive a new run, a file, and another session', async () => {
    const session = await world.copilot.create({ mode: 'one-shot', config: { historyLimit: 40 }, context: { n: 0 } });
    await session.setContext('city', 'Ulm', { protect: true });
    await session.snapshot('by hand');
    const handmade = (await session.snapshots()).at(-1);
    for (let n = 1; (await session.info()).runs < 2; n++) {
      await session.setContext('n', n);
      await session.send(`message ${n}`);
    }
    const [view, snapshots, changes] = [await session.context(), await session.snapshots(), await session.changes()];
    assert.deepEqual(handmade, snapshots[0]);
    assert.deepEqual(
      changes.map(({ version }) => version),
      Array.from({ length: view.version }, (_, index) => index + 1),
    );
    const since = await session.contextDiff('snap-1');
    const n = JSON.stringify(view.values['n']);
    assert.deepEqual(since.changed[0], { path: '/n', old: { json: '0', bytes: 1 }, new: { json: n, bytes: n.length } });

    const path = await newFile();
    await run('export', session.id, path);
    const { context: saved } = JSON.parse(await readFile(path, 'utf8')) as SessionExport;
    await session.delete();
    // The file by itself.
    const read = DurableContext.fromJSON(saved);
    assert.deepEqual([read.view(), read.snapshots, read.changes], [view, snapshots, changes]);
    assert.deepEqual(read.diff('snap-1'), since);
    assert.deepEqual(read.toJSON(), saved);
    // A session made of it.
    const { sessionId } = JSON.parse(await run('import', path, '--json')) as { sessionId: string };
    const again = world.copilot.session(sessionId);
    assert.deepEqual(
      [await again.context(), await again.snapshots(), await again.changes()],
      [view, snapshots, changes],
    );
    assert.deepEqual(await again.contextDiff('snap-1'), since);
    const restored = await again.restoreContext('snap-1');
    assert.deepEqual([restored.contextVersion, (await valuesOf(again))['n']], [view.version + 1, 0]);
    await again.snapshot('after it');
    assert.equal((await again.snapshots()).at(-1)?.id, `snap-${snapshots.length + 1}`);
    await assert.rejects(again.setContext('city', 'Lima'), { type: 'ProtectedKey' });
  });

  it('[C13] its size is known by key and in all, and growing past 128 KiB is an event', async () => {
    const session = await world.copilot.create({ context: { 'key "ü"': 'ü😀"\n', list: [1.5, -2e30, null] } });
    const values = await valuesOf(session);
    const size = await session.contextSize();
    assert.equal(size.bytes, jsonBytes(values));
    const bytesByKey = Object.entries(values).map(([key, value]) => ({ key, bytes: jsonBytes({ [key]: value }) - 1 }));
    assert.deepEqual(
      size.keys,
      bytesByKey.sort((a, b) => b.bytes - a.bytes),
    );
    assert.deepEqual([size.limitBytes, size.warnAtBytes], [256 * KIB, 128 * KIB]);
    assert.deepEqual(JSON.parse(await run('context', 'size', session.id, '--json')), size);

    const from = await session.position();
    const fill = (key: string, kib: number) => session.setContext(key, 'x'.repeat(kib * KIB));
    await fill('table', 100);
    await fill('more', 20);
    assert.deepEqual((await session.info()).notes, []);
    await fill('more', 40);
    await fill('more', 41);
    const events = await collect(session, ({ type }) => type === 'note', from);
    const note = events.at(-1);
    const grown = size.bytes + jsonBytes({ table: '', more: '' }) - 1 + 140 * KIB;
    assert.equal(
      note?.type === 'note' && note.text,
      `The context has grown to ${grown} bytes, most of it in table, more, key "ü".`,
    );
    assert.equal((await session.info()).notes.length, 1, 'once while it stays large');
    await fill('more', 1);
    await fill('more', 60);
    assert.equal((await session.info()).notes.length, 2);
    await assert.rejects(fill('table', 250), { type: 'InvalidInput', message: /262144 are allowed/ });
  });

  itInFull(
    '[C13] a large plan, its route and its task are kept short in the context, and whole in the turn',
    async () => {
      const tasks = Array.from({ length: 8 }, (_, n) => `write f${n}.txt ${distinctWords(`detail ${n}`, 600)}`);
      const message = `write it all ${'m'.repeat(256 * KIB)}`.slice(0, 256 * KIB);
      const refinedTask = distinctWords('refined', 5_000);
      playTeam(world.model, {
        files: tasks,
        instead: ({ phase }) => {
          if (phase === 'planning') return planOf(tasks);
          if (phase !== 'routing') return undefined;
          const decision = { route: 'planned', primaryAgent: 'writer', refinedTask, reason: 'scripted' };
          return { json: { ...decision, questions: [] } };
        },
      });
      const session = await world.copilot.create({ mode: 'copilot' });
      const turn = await session.send(message);
      assert.equal(turn.status, 'completed', turn.error?.message);
      assert.deepEqual(
        (await session.plan())?.steps.map(({ task }) => task),
        tasks,
      );
      const { initial_task: task, copilot } = await valuesOf(session);
      const { route, plan, results } = copilot as Record<string, unknown>;
      const { bytes } = await session.contextSize();
      for (const [name, kept] of Object.entries({ task, route, plan, results }))
        assert.ok(jsonBytes(kept) <= 16 * KIB, `${name}: ${jsonBytes(kept)} bytes`);
      assert.ok(bytes < 64 * KIB, `${bytes} bytes`);
      const isStart = (short: unknown, whole: string, least: number) => {
        assert.ok(
          typeof short === 'string' && short.endsWith('…') && short.length >= least,
          String(short).slice(0, 99),
        );
        assert.ok(whole.startsWith(short.slice(0, -1)));
      };
      isStart(task, message, 15_000);
      isStart((route as { task: string }).task, refinedTask, 8_000);
      const steps = plan as { agent: string; task: string }[];
      assert.equal(steps.length, tasks.length);
      for (const [n, step] of steps.entries()) isStart(step.task, tasks[n] ?? '', 1_000);
      assert.equal((results as unknown[]).length, tasks.length);
      assert.deepEqual((await session.info()).notes, []);
    },
  );

  it('[C14] a checkpoint is taken every 5 rounds, the newest 10 stay, and each can be gone back to', async () => {
    let round = 0;
    const work = () => calling(['write_file', { path: 'n.txt', content: String(round) }]);
    playTeam(world.model, {
      instead: ({ phase }) => (phase === 'one-shot' && (round += 1) % 10 !== 0 ? work() : undefined),
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    for (let turn = 1; turn <= 6; turn++) {
      await session.setContext('n', turn);
      assert.equal((await session.send(`turn ${turn}`)).status, 'completed');
      if (turn > 1) continue;
      assert.deepEqual(
        (await session.snapshots()).map(({ reason, metadata, also }) => [reason, metadata, also]),
        [
          ['before_one-shot_phase', { turn: 1, phase: 'one-shot' }, [{ reason: 'after_one-shot_phase', turn: 1 }]],
          ['round_5', { turn: 1, automatic: true, round: 5 }, undefined],
          ['round_10', { turn: 1, automatic: true, round: 10 }, undefined],
        ],
      );
    }
    assert.ok((await session.info()).runs > 1, 'the session should have continued as new');
    const taken = await session.snapshots();
    const automatic = taken.filter(({ kind }) => kind === 'automatic');
    assert.deepEqual(
      automatic.map(({ reason, metadata }) => [metadata['turn'], reason]),
      [2, 3, 4, 5, 6].flatMap((turn) => [
        [turn, 'round_5'],
        [turn, 'round_10'],
      ]),
    );
    const phases = taken.flatMap(({ kind, reason, also = [] }) => (kind === 'phase' ? [reason, ...also] : []));
    assert.equal(phases.length, 12, 'those around the phases stay');
    const oldest = automatic[0];
    await session.restoreContext(oldest?.id ?? '');
    assert.deepEqual(await valuesOf(session), { n: 2, initial_task: 'turn 1', current_task: 'turn 2' });
    assert.deepEqual((await session.changes()).at(-1)?.from, { id: oldest?.id, version: oldest?.version });
  });

  it('[C15] a step that fails leaves the context as it was before it, and a user goes back to a checkpoint', async () => {
    let isBroken = true;
    playTeam(world.model, {
      files: ['one.txt', 'two.txt'],
      instead: (call) =>
        isBroken && call.phase === 'step' && stepOf(call) === 'two.txt'
          ? { ...failure, delayMs: call.last.includes('# The attempt before failed') ? 0 : THINKING_MS }
          : undefined,
    });
    const session = await world.copilot.create({ mode: 'copilot' });
    const sent = session.send('write two files');
    await asked((call) => call.phase === 'step' && stepOf(call) === 'two.txt');
    const before = await session.context();
    assert.deepEqual(await session.getContext('copilot.results'), [{ step: 1, summary: 'Wrote one.txt (13 bytes).' }]);
    await session.setContext('note', 'by a user');
    const failed = await sent;
    assert.deepEqual([failed.status, failed.error?.type], ['failed', 'StepFailed']);
    assert.deepEqual(await session.context(), {
      ...before,
      version: before.version + 1,
      values: { ...before.values, note: 'by a user' },
    });
    assert.deepEqual((await session.changes()).at(-1)?.keys, ['note']);

    const checkpoint = (await snapshotsOf(session)).get('before_executing_phase of 1') ?? '';
    const restored = JSON.parse(await run('restore', session.id, checkpoint, '--json')) as { contextVersion: number };
    assert.equal(restored.contextVersion, before.version + 2);
    const { added, removed, changed } = await session.contextDiff(checkpoint);
    assert.deepEqual([added, removed, changed], [[], [], []]);
    const { note, copilot } = await valuesOf(session);
    assert.deepEqual([note, (copilot as { results: unknown }).results], [undefined, []]);

    isBroken = false;
    await session.continue();
    assert.equal((await session.awaitTurn(failed.id)).status, 'completed');
    assert.deepEqual(
      ((await session.getContext('copilot.results')) as { step: number }[]).map(({ step }) => step),
      [1, 2],
    );
  });

  it('[C15] a phase that fails or is interrupted leaves the context as it was before it', async () => {
    playTeam(world.model, {
      files: ['x.txt'],
      instead: ({ phase }) => (phase === 'planning' ? planOf([]) : undefined),
    });
    const session = await world.copilot.create({ mode: 'copilot', context: { plan: 'an old one' } });
    const failed = await session.send('write it');
    assert.deepEqual([failed.status, failed.error?.type], ['failed', 'InvalidModelOutput']);
    const taken = await snapshotsOf(session);
    assert.deepEqual(
      [...taken.keys()],
      ['routing', 'planning'].flatMap((phase) => [`before_${phase}_phase of 1`, `after_${phase}_phase of 1`]),
    );
    const planning = taken.get('before_planning_phase of 1') ?? '';
    const difference = await session.contextDiff(planning);
    assert.deepEqual([difference.added, difference.removed, difference.changed], [[], [], []]);

    playTeam(world.model, { files: ['x.txt'], delayMs: 60_000 });
    const sent = session.send('again');
    await until('a step', async () => (await session.info()).phase === 'executing');
    const before = await session.context();
    await session.interrupt();
    assert.equal((await sent).status, 'interrupted');
    assert.deepEqual(await session.context(), before);
  });
});
