/** Settings of a session that change while it goes on, and what people think of it. Real server and worker processes. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentOverride, SessionHandle } from '../../../src/client.ts';
import { runCli } from '../../helpers/cli.ts';
import { fails } from '../../helpers/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { writeTeam } from '../../helpers/own-team.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { temporaryFolder } from '../../helpers/server.ts';
import { playTeam, readCall } from '../../helpers/team-script.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

const words = (version: number) => ({
  agents: {
    engineer: { instructions: `I am engineer ${version}.` },
    writer: { instructions: `I am writer ${version}.` },
  },
});

const four = <T>(value: T): T[] => Array.from({ length: 4 }, () => value);

/** A client asks for a team's files at most every 5 s. */
const TEAMS_KEPT_MS = 5_100;

describe('configuring a session', function () {
  this.timeout(600_000);
  let world: World;
  let agentsDir: string;
  let oldAgentsDir: string;

  before(async () => {
    agentsDir = await temporaryFolder();
    oldAgentsDir = await temporaryFolder();
    await writeTeam(agentsDir, 'default', words(1));
    await writeTeam(oldAgentsDir, 'default', words(1));
    world = await startWorld({ env: { COPILOT_AGENTS_DIR: agentsDir } });
  });
  after(async () => {
    await world.stop();
    for (const folder of [agentsDir, oldAgentsDir]) await rm(folder, { recursive: true, force: true });
  });

  async function restartWorker(env: Record<string, string> = {}): Promise<void> {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker(env);
  }

  /** Model, temperature and instructions of the calls since then that this agent made. */
  function callsOf(agent: string, from: number): [model: string, temperature: unknown, instructions: string][] {
    return world.model.requests.slice(from).flatMap(({ body }) => {
      const [instructions = ''] = readCall(body).system.split('\n');
      return instructions.includes(agent) ? [[body.model, body.temperature, instructions]] : [];
    });
  }

  itInFull('its model and answering agent change from the next turn on, over a restart, and back', async () => {
    playTeam(world.model);
    const session = await world.copilot.create({ mode: 'one-shot' });
    const served = async (): Promise<unknown[]> => {
      assert.equal((await session.send('hello')).status, 'completed');
      const { body } = world.model.requests.at(-1) ?? assert.fail('nobody was asked');
      return [body.model, readCall(body).system.split('\n')[0]];
    };
    assert.deepEqual(await served(), ['test', 'I am writer 1.']);
    await session.configure({ model: 'large', agent: 'engineer' });
    await restartWorker();
    assert.deepEqual(await served(), ['large', 'I am engineer 1.']);
    const refused = session.configure({ model: 'other', agent: 'nobody' });
    await fails(refused, 'InvalidInput', /Agent "nobody" is not valid: the team has/);
    assert.deepEqual(await served(), ['large', 'I am engineer 1.']);
    await session.configure({ model: null, agent: null });
    assert.deepEqual(await served(), ['test', 'I am writer 1.']);
    assert.deepEqual((await session.info()).config, { agents: {} });
  });

  describe('[A06] an override of an agent', () => {
    const OVERRIDE: AgentOverride = { model: 'other', temperature: 0.5, instructions: 'I am engineer X.' };
    const SHARED = ['test', undefined, 'I am engineer 1.'];
    const OWN = ['other', 0.5, 'I am engineer X.'];
    const files = ['a.txt', 'b.txt'];

    async function engineerCalls(session: SessionHandle): Promise<unknown[][]> {
      playTeam(world.model, { files });
      const from = world.model.requests.length;
      assert.equal((await session.send('write')).status, 'completed');
      return callsOf('engineer', from);
    }

    it('applies from the next call on, in the middle of a turn, and to this session alone', async () => {
      const configured = Promise.withResolvers<void>();
      playTeam(world.model, { files, after: configured.promise });
      const from = world.model.requests.length;
      const session = await world.copilot.create({ mode: 'planning-control' });
      const { id } = await session.send('write', { wait: false });
      await until('the first call of the engineer', async () => callsOf('engineer', from).length === 1);
      const { changed } = await session.configure({ agents: { engineer: OVERRIDE } });
      assert.equal(changed, true);
      configured.resolve();
      assert.equal((await session.awaitTurn(id)).status, 'completed');
      assert.deepEqual(callsOf('engineer', from), [SHARED, OWN, OWN, OWN]);
      const other = await world.copilot.create({ mode: 'planning-control' });
      assert.deepEqual(await engineerCalls(other), four(SHARED));
      assert.deepEqual(await engineerCalls(session), four(OWN));
      assert.deepEqual((await session.info()).config.agents, { engineer: OVERRIDE });
      assert.equal((await other.info()).config.agents, undefined);
      await session.configure({ agents: { engineer: null } });
      assert.deepEqual(await engineerCalls(session), four(SHARED));
    });

    itInFull('survives restart and continue-as-new', async () => {
      const session = await world.copilot.create({ mode: 'planning-control', config: { historyLimit: 40 } });
      await session.configure({ agents: { engineer: OVERRIDE } });
      await restartWorker();
      assert.deepEqual(await engineerCalls(session), four(OWN));
      const { runs } = await session.info();
      for (let edit = 1; (await session.info()).runs === runs; edit++) {
        assert.ok(edit < 100, 'the session does not move');
        await session.setContext('edit', edit);
      }
      assert.deepEqual(await engineerCalls(session), four(OWN));
    });

    it('of an agent that the team does not have, and other settings that cannot be, are refused by name', async () => {
      const session = await world.copilot.create({ mode: 'one-shot' });
      const { version, config } = await session.info();
      await fails(
        session.configure({ agents: { nobody: {} } }),
        'InvalidInput',
        /Agent "nobody".*the team has .*engineer/,
      );
      await fails(session.configure({ mode: 'nothing' }), 'UnknownMode', /no mode "nothing".*one-shot/);
      await fails(session.configure({ agents: { writer: { temperature: 3 } } }), 'InvalidInput', /temperature \(3\)/);
      await fails(session.configure({}), 'InvalidInput', /it names no setting/);
      await fails(session.configure({ allowCode: true, expectedVersion: 0 }), 'VersionConflict', /not 0/);
      assert.deepEqual(await session.info().then((info) => [info.version, info.config]), [version, config]);
    });
  });

  describe('[A12] the definition of a team', () => {
    /** Who answers: `writer 1` of the first version, and so on. */
    async function writerOf(session: SessionHandle): Promise<string> {
      playTeam(world.model);
      const from = world.model.requests.length;
      assert.equal((await session.send('hello')).status, 'completed');
      return callsOf('writer', from)
        .map(([, , instructions]) => instructions)
        .join();
    }

    it('stays what it was when files change, or another worker has older ones; refreshing adopts the new one', async () => {
      const one = await world.copilot.create({ mode: 'one-shot' });
      const refreshed = await world.copilot.create({ mode: 'one-shot' });
      for (const session of [one, refreshed]) assert.equal(await writerOf(session), 'I am writer 1.');
      const { digest } = await one.info();
      await writeTeam(agentsDir, 'default', words(2));
      await restartWorker();
      await sleep(TEAMS_KEPT_MS);
      const two = await world.copilot.create({ mode: 'one-shot' });
      assert.equal(await writerOf(two), 'I am writer 2.');
      for (const session of [one, refreshed])
        assert.equal(await writerOf(session), 'I am writer 1.', 'its worker has newer files');
      const { changed } = await refreshed.configure({ refreshTeam: true });
      assert.equal(changed, true);
      assert.equal((await refreshed.info()).digest, (await two.info()).digest);
      assert.notEqual((await refreshed.info()).digest, digest);
      assert.equal(await writerOf(refreshed), 'I am writer 2.');

      await restartWorker({ COPILOT_AGENTS_DIR: oldAgentsDir });
      for (const session of [two, refreshed])
        assert.equal(await writerOf(session), 'I am writer 2.', 'its worker has older files');
      assert.equal(await writerOf(one), 'I am writer 1.', 'its worker has the same files');
      assert.equal((await one.info()).digest, digest);
      await restartWorker();
    });

    itInFull('is adopted by `copilot configure --refresh-team` in the middle of a turn, for the next', async () => {
      await writeTeam(agentsDir, 'default', words(3));
      await sleep(TEAMS_KEPT_MS);
      const session = await world.copilot.create({ mode: 'planning-control' });
      const configured = Promise.withResolvers<void>();
      playTeam(world.model, { files: ['a.txt', 'b.txt'], after: configured.promise });
      const from = world.model.requests.length;
      const { id } = await session.send('write', { wait: false });
      await until('the first call of the engineer', async () => callsOf('engineer', from).length === 1);
      await writeTeam(agentsDir, 'default', words(4));
      const { code, stdout, stderr } = await runCli(
        ['configure', session.id, '--refresh-team', '--json'],
        programEnvironment(world.server),
      );
      assert.equal(code, 0, stderr);
      assert.equal((JSON.parse(stdout) as { changed: boolean }).changed, true);
      configured.resolve();
      assert.equal((await session.awaitTurn(id)).status, 'completed');
      assert.deepEqual(
        [...callsOf('engineer', from), ...callsOf('writer', from)].map(([, , instructions]) => instructions),
        [...Array<string>(4).fill('I am engineer 3.'), 'I am writer 3.'],
      );
      await session.configure({ mode: 'one-shot' });
      assert.equal(await writerOf(session), 'I am writer 4.');
    });

    it('is not adopted where its files are wrong or gone', async () => {
      const session = await world.copilot.create({ mode: 'one-shot' });
      const { digest } = await session.info();
      const file = join(agentsDir, 'default', 'writer.yaml');
      await writeFile(file, 'description: Writes.\ninstructions: I am the writer.\ncolour: blue\n');
      await fails(session.configure({ refreshTeam: true }), 'InvalidTeam', /writer\.yaml:3: .*colour/);
      await rm(join(agentsDir, 'default'), { recursive: true });
      await fails(session.configure({ refreshTeam: true }), 'TeamNotFound', /no team "default"/);
      await writeTeam(agentsDir, 'default', words(4));
      assert.equal((await session.info()).digest, digest);
    });
  });

  it('[A13] tells of a session how many messages, how long, how fast its agents, and how people rate it', async () => {
    const DELAY_MS = 400;
    const WAITED_MS = 2_500;
    playTeam(world.model, { answer: 'said', instead: () => ({ text: 'said', delayMs: DELAY_MS }) });
    const createdFrom = Date.now();
    const session = await world.copilot.create({ mode: 'one-shot' });
    const analytics = async () => (await session.info()).analytics;
    const fresh = await analytics();
    assert.deepEqual([fresh.messageCount, fresh.agentResponseTimeMs, fresh.rating, fresh.ratings], [0, null, null, []]);
    const first = await session.send('one');
    const second = await session.send('two');
    const spent = [first, second].map(
      ({ startedAt = '', endedAt = '' }) => Date.parse(endedAt) - Date.parse(startedAt),
    );
    assert.ok(Math.min(...spent) >= DELAY_MS, String(spent));
    const mean = spent.reduce((sum, ms) => sum + ms, 0) / 2;
    assert.deepEqual([(await analytics()).messageCount, (await analytics()).agentResponseTimeMs], [2, mean]);

    // Of a turn that waits for a person, the waiting is no time of its agents.
    await session.configure({ mode: 'planning-control', approvals: { plan: true } });
    playTeam(world.model, { files: ['a.txt'] });
    const third = await session.send('three');
    const request = await nextRequest(session);
    await sleep(WAITED_MS);
    await session.decide(request.id, 'approve');
    const decidedAt = Date.now();
    const ended = await session.awaitTurn(third.id);
    const all = await analytics();
    const thirdMs = (all.agentResponseTimeMs ?? 0) * 3 - mean * 2;
    const wallMs = Date.parse(ended.endedAt ?? '') - Date.parse(ended.startedAt ?? '');
    const waitedMs = wallMs - thirdMs;
    const atMostMs = decidedAt - Date.parse(request.createdAt);
    assert.ok(thirdMs > 0 && waitedMs >= WAITED_MS && waitedMs <= atMostMs, `${waitedMs} of ${atMostMs} ms`);

    assert.deepEqual((await session.rate(5, { by: 'ada', comment: 'well done' })).rating, 5);
    const rated = await session.rate(2, { turnId: second.id, by: 'bob' });
    assert.equal(rated.rating, 3.5);
    assert.deepEqual(
      rated.ratings.map(({ rating, turnId, by, comment }) => [rating, turnId, by, comment]),
      [
        [5, null, 'ada', 'well done'],
        [2, second.id, 'bob', null],
      ],
    );
    for (const rating of [0, 6, 2.5]) await fails(session.rate(rating), 'InvalidInput', /rating \(/);
    await fails(session.rate(3, { turnId: 'turn-99' }), 'InvalidInput', /turnId "turn-99".*no such turn/);

    await restartWorker();
    const { sessionDurationMs, ...kept } = await analytics();
    const { sessionDurationMs: _, ...before } = rated;
    assert.deepEqual(kept, before);
    const elapsedMs = Date.now() - createdFrom;
    assert.ok(
      sessionDurationMs > WAITED_MS && sessionDurationMs <= elapsedMs,
      `${sessionDurationMs} of ${elapsedMs} ms`,
    );
    await session.complete();
    const closed = await analytics();
    await sleep(100);
    assert.deepEqual(await analytics(), closed, 'its time stands still');
    assert.deepEqual([closed.messageCount, closed.rating], [3, 3.5]);
  });
});
