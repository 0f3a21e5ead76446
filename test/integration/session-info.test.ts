/** What a session says of itself: in every status, to any client, from any worker. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { CopilotClient, type SessionHandle, type SessionReport } from '../../src/client.ts';
import { runCli } from '../helpers/cli.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment, type WorkerProcess } from '../helpers/worker.ts';
import { itInFull } from '../helpers/full.ts';
import { startWorld, type World } from '../helpers/world.ts';

const WORDS = 'word '.repeat(2_000);
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const CONFIG = { allowCode: true, historyLimit: 150, agents: { writer: { temperature: 0.5 } } };
const DAY_MS = 24 * 60 * 60_000;
/** Long enough for a turn on a busy machine. */
const EXECUTION_TIMEOUT_MS = 6_000;
const IDLE_TIMEOUT_MS = 4_000;
/** At most so many turns until both workers have had some. */
const MAX_TURNS = 40;

const identityOf = (worker: WorkerProcess | undefined): string => `copilot-${worker?.pid}@${hostname()}`;

describe('info', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  /** A session with one turn behind it. */
  async function begun(name: string, changes: object = {}): Promise<SessionHandle> {
    const config = { ...CONFIG, ...changes };
    const session = await world.copilot.create({
      mode: 'one-shot',
      user: 'ada',
      name,
      config,
      context: { city: 'Ulm' },
    });
    await session.send('hello');
    return session;
  }

  /** One whose workflow ends with a failure: somebody has set it a time limit. */
  async function beginFailing(name: string, like: SessionHandle): Promise<SessionHandle> {
    const { team } = await like.export();
    const message = { messageId: 'm1', text: 'hello' };
    const start = { mode: 'one-shot', user: 'ada', name, team, config: CONFIG, context: { city: 'Ulm' }, message };
    const { workflowId } = await world.temporal.workflow.start('copilotSession', {
      workflowId: 'timed-out',
      taskQueue: 'copilot',
      args: [{ start }],
      workflowExecutionTimeout: EXECUTION_TIMEOUT_MS,
    });
    return world.copilot.session(workflowId);
  }

  /** Checks what is alike in all of them, and gives what is not; `acts` are the kinds of acts from outside. */
  async function differing(
    session: SessionHandle,
    name: string,
  ): Promise<Omit<Partial<SessionReport>, 'outsideActs'> & { readonly acts: readonly string[] }> {
    const { id, name: called, user, mode, team, digest, ...rest } = await session.info();
    assert.deepEqual([id, called, user, mode, team], [session.id, name, 'ada', 'one-shot', 'default']);
    assert.match(digest, /^[0-9a-f]{64}$/);
    const { createdAt, lastActiveAt, updatedAt, version, contextVersion, turns, runs, historyLength, ...others } = rest;
    for (const time of [createdAt, lastActiveAt, updatedAt]) assert.match(time, TIME);
    assert.ok(createdAt < lastActiveAt && lastActiveAt <= updatedAt, `${createdAt} ${lastActiveAt} ${updatedAt}`);
    // Created, a phase and the end of its turn; the context as created and its task.
    assert.ok(
      version >= 3 && contextVersion >= 2 && historyLength > 5,
      `${version} ${contextVersion} ${historyLength}`,
    );
    assert.equal(runs, 1);
    const { usage, usageByAgent, lastWorker, analytics, cost, pendingCalls, outsideActs, expiresAt, ...left } = others;
    assert.ok(outsideActs.every(({ at, reason, advice }) => TIME.test(at ?? '') && reason !== '' && advice !== ''));
    const isWaiting = left.status === 'active' && left.phase === 'idle';
    assert.equal(expiresAt, isWaiting ? new Date(Date.parse(lastActiveAt) + DAY_MS).toISOString() : null);
    assert.ok(pendingCalls.every(({ attempt, lastError }) => attempt === 1 && lastError === null));
    assert.ok(analytics.messageCount >= 1 && analytics.sessionDurationMs > 0, JSON.stringify(analytics));
    assert.equal(cost, null, 'the team has no prices');
    assert.ok(usage.inputTokens > 0 && usage.outputTokens > 0, JSON.stringify(usage));
    assert.ok(turns >= 1 && usage.modelCalls >= 1, `${turns} turns, ${usage.modelCalls} model calls`);
    assert.deepEqual(Object.values(usageByAgent), [usage]);
    assert.equal(lastWorker?.identity, identityOf(world.workers[0]));
    assert.notEqual(lastWorker?.instance, '');
    return { ...left, acts: outsideActs.map(({ kind }) => kind) };
  }

  itInFull('[S12] of a session that waits for a person names the request', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const session = await world.copilot.create({ mode: 'planning-control', config: { approvals: { plan: true } } });
    const turn = await session.send('write it');
    const { phase, pendingApprovals } = await session.info();
    assert.equal(phase, 'awaiting-approval');
    assert.deepEqual(pendingApprovals, turn.requests);
    assert.deepEqual(
      pendingApprovals.map(({ kind, options }) => [kind, options]),
      [['plan', ['approve', 'modify', 'reject']]],
    );
    const { stdout } = await runCli(['show', session.id, '--json'], programEnvironment(world.server));
    assert.deepEqual((JSON.parse(stdout) as SessionReport).pendingApprovals, pendingApprovals);
    await session.decide(pendingApprovals[0]?.id ?? '', 'approve');
    await session.awaitTurn(turn.id);
    assert.deepEqual((await session.info()).pendingApprovals, []);
  });

  it('[S12] a turn that was cut off by the end of its session from outside is interrupted, for the client and in show', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const asking = await world.copilot.create({ mode: 'planning-control', config: { approvals: { plan: true } } });
    assert.equal((await asking.send('write it')).status, 'awaiting-approval');
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    const busy = await world.copilot.create({ mode: 'one-shot' });
    for (const text of ['one', 'two']) await busy.send(text, { wait: false });
    await until('the turn', async () => (await busy.info()).phase === 'one-shot');
    for (const { id } of [asking, busy]) await world.temporal.workflow.getHandle(id).terminate('test');
    for (const session of [asking, busy]) {
      const turns = await session.turns();
      assert.ok(turns.length > 0 && turns.every(({ status }) => status === 'interrupted'), JSON.stringify(turns));
      assert.ok(turns.every(({ endedAt, requests }) => TIME.test(endedAt ?? '') && requests === undefined));
      const { phase, queueLength, pendingApprovals } = await session.info();
      assert.deepEqual([phase, queueLength, pendingApprovals], ['idle', 0, []]);
      const { stdout } = await runCli(['show', session.id], programEnvironment(world.server));
      assert.match(stdout, /\nTurn 1 · interrupted/);
      assert.doesNotMatch(stdout, /running|awaiting|copilot approve/);
      const end = await session.awaitTurn(turns[0]?.id ?? '');
      assert.equal(end.status, 'interrupted');
    }
    const { stdout } = await runCli(['list'], programEnvironment(world.server));
    assert.match(stdout, new RegExp(`${busy.id} .*terminated +idle `));
  });

  it('[S12] gives everything in every status, also of closed sessions, and of completed and expired ones without a worker', async () => {
    playTeam(world.model, { answer: 'hello' });
    const quiet = {
      config: CONFIG,
      queueLength: 0,
      pendingApprovals: [],
      suspendReason: null,
      phase: 'idle',
      step: null,
      notes: [],
      acts: [],
    };
    const active = await begun('active');
    assert.deepEqual(await differing(active, 'active'), { ...quiet, status: 'active' });
    const failed = await beginFailing('failed', active);
    const expired = await begun('expired', { idleTimeoutMs: IDLE_TIMEOUT_MS });
    const completed = await begun('completed');
    await completed.complete();

    const busy = await begun('busy');
    playTeam(world.model, { answer: WORDS, wordDelayMs: 50 });
    for (const text of ['one', 'two', 'three']) await busy.send(text, { wait: false });
    await until('the turn', async () => (await busy.info()).phase === 'one-shot');
    const inTurn = { ...quiet, phase: 'one-shot', queueLength: 2 };
    assert.deepEqual(await differing(busy, 'busy'), { ...inTurn, status: 'active' });
    await busy.suspend({ reason: 'lunch' });
    const atLunch = { ...inTurn, suspendReason: 'lunch' };
    assert.deepEqual(await differing(busy, 'busy'), { ...atLunch, status: 'suspended' });
    await world.temporal.workflow.getHandle(busy.id).terminate('test');
    const over = { ...quiet, suspendReason: 'lunch', status: 'terminated', acts: ['terminated'] };
    assert.deepEqual(await differing(busy, 'busy'), over);

    await until('failed', async () => (await failed.describe()).isClosed);
    assert.deepEqual(await differing(failed, 'failed'), { ...quiet, status: 'failed', acts: ['timed-out'] });
    await until('expired', async () => (await expired.describe()).isClosed);

    const env = programEnvironment(world.server, { COPILOT_UI_URL: world.server.uiUrl });
    await world.workers[0]?.kill();
    assert.deepEqual(await differing(completed, 'completed'), { ...quiet, status: 'completed' });
    const config = { ...CONFIG, idleTimeoutMs: IDLE_TIMEOUT_MS };
    assert.deepEqual(await differing(expired, 'expired'), { ...quiet, config, status: 'expired' });
    const shown = await runCli(['show', completed.id, '--json'], env);
    const { recentTurns, followers, webUrl, ...info } = JSON.parse(shown.stdout) as Record<string, unknown>;
    assert.deepEqual([info, recentTurns, followers], [await completed.info(), null, []]);
    assert.match(String(webUrl), new RegExp(completed.id));
  });
});

describe('any client and any worker', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld({ workers: 2 });
  });
  after(() => world.stop());

  /** Does something with a client that has never seen anything. */
  async function fresh<T>(work: (client: CopilotClient) => Promise<T>): Promise<T> {
    const { address, homeDir } = world.server;
    const client = await CopilotClient.connect({ config: isolatedConfig(homeDir), address });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  /** Everything that a client can read of a session. */
  async function read(client: CopilotClient, id: string): Promise<object> {
    const session = client.session(id);
    const { exportedAt: _, ...exported } = await session.export();
    return {
      info: await session.info(),
      transcript: await session.transcript(),
      turns: await session.turns(),
      plan: await session.plan(),
      context: await session.context(),
      snapshots: await session.snapshots(),
      changes: await session.changes(),
      size: await session.contextSize(),
      usage: await session.usage(),
      exported,
    };
  }

  /** Lets whichever worker comes first do what comes next, as when the one that did it before is busy. */
  async function forgetWorker(workflowId: string): Promise<void> {
    await world.temporal.workflowService.resetStickyTaskQueue({ namespace: 'default', execution: { workflowId } });
  }

  /** Sends the message, and sees that the model was told all that was said before. @returns who served it */
  async function say(client: CopilotClient, id: string, said: string[]): Promise<string> {
    said.push(`fact number ${said.length + 1}.`);
    const turn = await client.session(id).send(said.at(-1) ?? '');
    assert.deepEqual([turn.status, turn.number, turn.reply], ['completed', said.length, 'noted']);
    const prompt = JSON.stringify(world.model.requests.at(-1)?.body.messages);
    assert.deepEqual(
      said.filter((text) => !prompt.includes(text)),
      [],
    );
    return (await client.session(id).info()).lastWorker?.identity ?? '';
  }

  it('[S14] serves any session after any restart: two clients and two workers by turns, then after SIGKILL of each of them and of the server', async () => {
    playTeam(world.model, { answer: 'noted' });
    const [one, two] = world.workers;
    const { id } = await world.copilot.create({
      mode: 'one-shot',
      context: { city: 'Ulm' },
      config: { historyLimit: 60 },
    });
    const said: string[] = [];
    await fresh(async (other) => {
      // What a worker remembers of a turn is stale as soon as the other one has had the next.
      const served: string[] = [];
      while (Math.min(...[one, two].map((worker) => served.filter((who) => who === identityOf(worker)).length)) < 3) {
        assert.ok(served.length < MAX_TURNS, `only ${[...new Set(served)].join()} in ${MAX_TURNS} turns`);
        await forgetWorker(id);
        served.push(await say(served.length % 2 === 0 ? world.copilot : other, id, said));
      }
      // What one client has changed, the other one reads with its next call.
      for (const [writer, reader] of [
        [world.copilot, other],
        [other, world.copilot],
      ] as const) {
        const { version } = await writer.session(id).setContext('city', `Lima ${writer === other}`);
        assert.equal((await reader.session(id).context()).values['city'], `Lima ${writer === other}`);
        assert.equal((await reader.session(id).info()).version, version);
      }
      await other.session(id).snapshot('before the worst');
    });

    playTeam(world.model, { files: ['a.txt', 'b.txt'], delayMs: 300 });
    const planned = await world.copilot.create({ message: 'write two files' });
    await until('a step', async () => (await planned.plan())?.steps[0]?.status === 'completed');
    await planned.suspend({ reason: 'lunch' });
    await until('quiet', async () => {
      const { raw } = await world.temporal.workflow.getHandle(planned.id).describe();
      return raw.pendingActivities?.length === 0;
    });
    const completed = await world.copilot.create({ mode: 'one-shot' });
    playTeam(world.model, { answer: 'noted' });
    await say(world.copilot, completed.id, []);
    await completed.complete();

    const ids = [id, planned.id, completed.id];
    const everything = () => fresh((client) => Promise.all(ids.map((session) => read(client, session))));
    const before = await everything();

    await one?.kill();
    assert.deepEqual(await everything(), before);
    assert.equal(await fresh((client) => say(client, id, said)), identityOf(two));
    const later = await everything();

    await Promise.all([two?.kill(), world.server.kill()]);
    await world.server.restart();
    const three = await world.startWorker();
    await world.reconnect();
    assert.deepEqual(await everything(), later);
    assert.equal(await fresh((client) => say(client, id, said)), identityOf(three));
    assert.ok((await world.copilot.session(id).info()).runs > 1);

    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'both' });
    await fresh((client) => client.session(planned.id).continue());
    const turn = await world.copilot.session(planned.id).awaitTurn('turn-1');
    assert.deepEqual([turn.status, turn.reply, turn.artifacts], ['completed', 'both', ['a.txt', 'b.txt']]);
  });
});
