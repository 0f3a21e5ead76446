/**
 * A new version of the program while sessions are open: worker processes of two builds side by side, on a real server.
 * Which build did what is told by the server's history, and by the name of the model that each build asks for.
 */
import assert from 'node:assert/strict';
import { dirname, delimiter } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ok } from '../../src/doctor/check.ts';
import { checkServer } from '../../src/doctor/server.ts';
import type { SessionHandle } from '../../src/client.ts';
import { runCli } from '../helpers/cli.ts';
import { fullHistory, noTaskFailed, runHistories, toolCallsIn, until } from '../helpers/history.ts';
import { assignedIn, guideCommands, runInShell } from '../helpers/operations-guide.ts';
import { signalByTemporalCli, temporalCli } from '../helpers/outside.ts';
import { startWorldOf } from '../helpers/own-team.ts';
import { decideNext, nextRequest } from '../helpers/requests.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { isFull } from '../helpers/full.ts';
import { playTeam, readCall } from '../helpers/team-script.ts';
import { programEnvironment, type WorkerProcess } from '../helpers/worker.ts';
import type { World } from '../helpers/world.ts';

const DEPLOYMENT = 'copilot';
const FILES = ['one.txt', 'two.txt', 'three.txt'];
/** The least that a session takes: a plan of three files has some 60 events. */
const HISTORY_LIMIT = 40;
const NO_BUILD = 'none';
/** As docs/operations.md has them, for the builds of this test. */
const [REPLAY = '', WORKER = '', MAKE_CURRENT = '', MOVE = '', COUNT = ''] = guideCommands('New versions').map((line) =>
  line.replaceAll(`'${DEPLOYMENT}:1'`, `'${DEPLOYMENT}:a'`).replaceAll(/(BUILD_ID=|--build-id )2\b/g, '$1b'),
);

describe('a new version', function () {
  this.timeout(180_000);
  let world: World;
  let none: WorkerProcess;
  let a: WorkerProcess;
  let b: WorkerProcess;

  before(async () => {
    world = await startWorldOf({ default: {} }, { workers: 0 });
    playTeam(world.model, {
      files: FILES,
      instead: ({ phase, lastRole, last }) =>
        phase === 'answer' && lastRole === 'user' ? { text: `answer to ${last}` } : undefined,
    });
    [none, a, b] = await Promise.all([
      world.startWorker({ COPILOT_MODEL: NO_BUILD }),
      startBuild('a'),
      world.startWorker({ ...assignedIn(WORKER), COPILOT_MODEL: 'b' }),
    ]);
  });
  after(() => world?.stop());

  const startBuild = (buildId: string): Promise<WorkerProcess> =>
    world.startWorker({ COPILOT_DEPLOYMENT: DEPLOYMENT, COPILOT_BUILD_ID: buildId, COPILOT_MODEL: buildId });

  /** Runs a command as a person would who has `temporal` on the PATH. */
  async function inShell(command: string): Promise<string> {
    const path = [dirname(temporalCli(world.server)), process.env['PATH']].join(delimiter);
    return await runInShell(command, { ...process.env, PATH: path, TEMPORAL_ADDRESS: world.server.address });
  }

  /** Runs the command that is quoted in a text. The server refuses it until it has heard of the worker. */
  async function makeCurrent(text: string): Promise<void> {
    const command = /(temporal worker deployment set-current-version .*? --yes)/.exec(text)?.[1];
    assert.ok(command, `no command in: ${text}`);
    await until(command, () =>
      inShell(command).then(
        () => true,
        () => false,
      ),
    );
  }

  /** For each run, the oldest first, the builds that did its workflow tasks; empty where none has done one yet. */
  async function buildsOf({ id }: SessionHandle): Promise<string[]> {
    const builds: string[] = [];
    for await (const run of runHistories(world.temporal, id)) {
      const tasks = run.flatMap(({ workflowTaskCompletedEventAttributes: task }) =>
        task ? [task.deploymentVersion?.buildId || NO_BUILD] : [],
      );
      builds.push([...new Set(tasks)].join(' '));
    }
    return builds;
  }

  /** The builds whose models were asked to answer this message. */
  const answeredBy = (message: string): string[] =>
    world.model.requests.filter(({ body }) => readCall(body).last === message).map(({ body }) => body.model);

  async function told({ id }: SessionHandle): Promise<string[]> {
    const { messages } = await world.copilot.session(id).transcript();
    return messages.map(({ role, text }) => `${role}: ${text}`);
  }

  const exchange = (text: string): string[] => [`user: ${text}`, 'assistant: done'];

  const checkWorkers = async (changes: Record<string, string> = {}) => {
    const config = isolatedConfig(world.server.homeDir, { TEMPORAL_ADDRESS: world.server.address, ...changes });
    const checks = await checkServer(config, ok('server program', ''));
    const found = checks.find(({ check }) => check === 'workers');
    assert.ok(found, JSON.stringify(checks));
    return found;
  };

  it('names both variables or neither', () => {
    const home = world.server.homeDir;
    const { build } = isolatedConfig(home, { COPILOT_DEPLOYMENT: 'my-copilot', COPILOT_BUILD_ID: '1.2.3+abc' });
    assert.deepEqual(build, { deploymentName: 'my-copilot', buildId: '1.2.3+abc' });
    assert.equal(isolatedConfig(home).build, undefined);
    const wrong = { COPILOT_DEPLOYMENT: 'copilot', COPILOT_BUILD_ID: '1' };
    assert.throws(
      () => isolatedConfig(home, { COPILOT_DEPLOYMENT: 'copilot' }),
      /COPILOT_BUILD_ID.*COPILOT_DEPLOYMENT is set/,
    );
    assert.throws(() => isolatedConfig(home, { COPILOT_BUILD_ID: '1' }), /COPILOT_DEPLOYMENT.*COPILOT_BUILD_ID is set/);
    for (const name of ['a.b', 'a:b', 'a b'])
      assert.throws(() => isolatedConfig(home, { ...wrong, COPILOT_DEPLOYMENT: name }), /letters, digits, _ and -/);
    assert.throws(() => isolatedConfig(home, { ...wrong, COPILOT_BUILD_ID: 'a b' }), /letters, digits and \. _ \+ -/);
  });

  it('takes nothing until it is current, says so with the command to run, and then goes on with the sessions of workers that had no build', async () => {
    assert.match(a.log(), /sessions begin on workers without a build, not on this worker; to change that: temporal/);
    assert.doesNotMatch(none.log(), /sessions begin on/);
    assert.equal((await checkWorkers()).status, 'ok');
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('before');
    assert.deepEqual([answeredBy('before'), await buildsOf(session)], [[NO_BUILD], [NO_BUILD]]);
    await signalByTemporalCli(world.server, session.id, 'move');
    await until('the next run', async () => isDeepStrictEqual(await buildsOf(session), [NO_BUILD, NO_BUILD]));

    assert.equal(await none.stop(), 0);
    await makeCurrent(a.log());
    await session.send('after');
    assert.deepEqual([answeredBy('after'), await buildsOf(session)], [['a'], [NO_BUILD, `${NO_BUILD} a`]]);
    assert.deepEqual(await told(session), ['before', 'after'].flatMap(exchange));
    const { status, detail } = await checkWorkers();
    assert.equal(status, 'ok');
    assert.match(detail, /sessions begin on build a of copilot$/);
    await session.complete();
  });

  it('[R12] open sessions stay on the build they began on while a new one is current, in mid-turn too; they move at the next boundary, and when the old build is gone nothing is lost or done twice', async () => {
    const begin = async (name: string, historyLimit?: number) => {
      const config = { approvals: { tools: { write: 'ask' as const } }, ...(historyLimit ? { historyLimit } : {}) };
      const session = await world.copilot.create({ mode: 'planning-control', config });
      const { id } = await session.send(name, { wait: false });
      await nextRequest(session);
      return { session, end: () => session.awaitTurn(id) };
    };
    const [staying, long, waiting] = await Promise.all([begin('stay'), begin('long', HISTORY_LIMIT), begin('wait')]);
    const [idle, closed] = await Promise.all([
      world.copilot.create({ mode: 'one-shot' }),
      world.copilot.create({ mode: 'one-shot' }),
    ]);
    await Promise.all([idle.send('idle 1'), closed.send('closed 1')]);
    await closed.complete();

    const replayed = await runCli(REPLAY.split(' ').slice(1), programEnvironment(world.server));
    assert.equal(replayed.code, 0, replayed.stdout);
    await makeCurrent(MAKE_CURRENT);
    const fresh = await world.copilot.create({ mode: 'one-shot' });
    await fresh.send('fresh 1');
    assert.deepEqual([answeredBy('fresh 1'), await buildsOf(fresh)], [['b'], ['b']]);

    // In the middle of a turn, and between two.
    await decideNext(staying.session, 'session');
    assert.equal((await staying.end()).status, 'completed');
    assert.deepEqual(await buildsOf(staying.session), ['a']);
    await idle.send('idle 2');
    assert.deepEqual([answeredBy('idle 2'), await buildsOf(idle)], [['a'], ['a']]);

    // By itself, at the boundary where its run has grown long.
    await decideNext(long.session, 'session');
    assert.equal((await long.end()).status, 'completed');
    const builds = await buildsOf(long.session);
    assert.ok(builds.length >= 2, `it took only ${builds.length} run`);
    assert.deepEqual(builds, ['a', ...builds.slice(1).map(() => 'b')]);

    // Because somebody says so: also where a person is waited for, which goes along.
    const left = async (): Promise<number> => Number(/\d+/.exec(await inShell(COUNT))?.[0]);
    await until('the list of what is left on the old build', async () => (await left()) === 3);
    await inShell(MOVE);
    await until('nothing left there', async () => (await left()) === 0);
    assert.equal(await a.stop(), 0);
    for (const session of [staying.session, idle])
      await until('the next run', async () => isDeepStrictEqual(await buildsOf(session), ['a', 'b']));

    await decideNext(waiting.session, 'session');
    assert.equal((await waiting.end()).status, 'completed');
    assert.deepEqual(await buildsOf(waiting.session), ['a', 'b']);
    await idle.send('idle 3');
    assert.deepEqual(answeredBy('idle 3'), ['b']);

    for (const [name, { session }] of Object.entries({ stay: staying, long, wait: waiting })) {
      const [question, answer = '', ...more] = await told(session);
      assert.equal(question, `user: ${name}`);
      assert.match(answer, /^assistant: answer to [^]*three\.txt/);
      assert.deepEqual(more, []);
      const calls = toolCallsIn(await fullHistory(world.temporal, session.id));
      assert.equal(calls.length, FILES.length, `${name}: ${calls.map(({ summary }) => summary).join(', ')}`);
      assert.equal(new Set(calls.map(({ key }) => key)).size, FILES.length);
    }
    assert.deepEqual(await told(idle), ['idle 1', 'idle 2', 'idle 3'].flatMap(exchange));
    // Nobody has the build that it was on.
    assert.deepEqual(await told(closed), exchange('closed 1'));
    for (const session of [staying.session, long.session, waiting.session, idle, closed, fresh])
      await noTaskFailed(world.temporal, session.id);
  });

  if (isFull) {
    it('doctor tells where no worker takes sessions that begin, and how to change it', async () => {
      const own = { COPILOT_TASK_QUEUE: 'lonely', COPILOT_DEPLOYMENT: 'lonely', COPILOT_BUILD_ID: '1' };
      const lonely = await world.startWorker(own);
      const { status, detail, hint } = await checkWorkers(own);
      assert.equal(status, 'missing');
      assert.match(detail, /sessions begin on workers without a build, and none of these is one$/);
      await makeCurrent(hint ?? '');
      await until('the change', async () => (await checkWorkers(own)).status === 'ok');
      await lonely.kill();
    });

    it('a session whose build has gone for good waits, and goes on with the current one when it is told to', async () => {
      const session = await world.copilot.create({ mode: 'one-shot' });
      await session.send('stranded 1');
      await b.kill();
      const c = await startBuild('c');
      await makeCurrent(c.log());
      const sent = session.send('stranded 2');
      const fresh = await world.copilot.create({ mode: 'one-shot' });
      await fresh.send('fresh 2');
      assert.deepEqual([answeredBy('fresh 2'), answeredBy('stranded 2')], [['c'], []]);
      const override = '--versioning-override-behavior auto_upgrade';
      await inShell(`temporal workflow update-options --workflow-id ${session.id} ${override}`);
      assert.equal((await sent).status, 'completed');
      assert.deepEqual([answeredBy('stranded 2'), await buildsOf(session)], [['c'], ['b c']]);
      assert.deepEqual(await told(session), ['stranded 1', 'stranded 2'].flatMap(exchange));
      await noTaskFailed(world.temporal, session.id);
    });
  }
});
