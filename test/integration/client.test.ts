/** The client library against a real server, real worker processes and a model that the test scripts. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CopilotClient, type SessionHandle } from '../../src/client.ts';
import { fails } from '../helpers/client.ts';
import { CANCEL, startGrpcProxy } from '../helpers/grpc-proxy.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('client', function () {
  this.timeout(120_000);
  let world: World;
  let client: CopilotClient;

  before(async () => {
    world = await startWorld();
    client = world.copilot;
  });
  after(() => world.stop());
  beforeEach(() => playTeam(world.model));

  describe('create', () => {
    it('[S01] makes a session of mode, user, name, team, config, context, message and id; by default active, in phase init until its first turn, version 1, empty, with a name of mode and time and an id that sorts by time', async () => {
      const calledMs = Date.now();
      const first = await client.create();
      const createdMs = Date.now();
      const given = { mode: 'one-shot', user: 'ada', name: 'My session', team: 'data-analysis' };
      const second = await client.create(given);
      assert.match(first.id, /^ses_[0-9A-Z]{26}$/);
      assert.ok(first.id < second.id);
      const info = await first.info();
      assert.deepEqual(
        {
          status: info.status,
          phase: info.phase,
          version: info.version,
          turns: info.turns,
          mode: info.mode,
          team: info.team,
        },
        { status: 'active', phase: 'init', version: 1, turns: 0, mode: 'copilot', team: 'default' },
      );
      assert.match(info.name, /^copilot_\d{8}_\d{6}$/);
      const named = info.name.replace(/^copilot_(....)(..)(..)_(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z');
      const [namedMs, begunMs] = [named, info.createdAt].map(Date.parse);
      assert.ok(namedMs && begunMs);
      // To the second.
      assert.ok(namedMs > calledMs - 1_000 && namedMs <= createdMs, `${info.name}, called at ${calledMs}`);
      assert.ok(begunMs >= calledMs && begunMs <= Date.now(), `${info.createdAt}, called at ${calledMs}`);
      assert.deepEqual((await first.transcript()).messages, []);
      assert.deepEqual(await first.context(), { version: 0, values: {}, protectedKeys: [], ephemeralKeys: [] });
      const { name, user, mode, team } = await second.info();
      assert.deepEqual({ name, user, mode, team }, given);
      const told = await client.create({
        id: 'my-own-id',
        config: { historyLimit: 77 },
        context: { city: 'Ulm' },
        message: 'hello',
      });
      assert.equal(told.id, 'my-own-id');
      const turn = await told.awaitTurn('turn-1');
      assert.deepEqual([turn.status, turn.reply], ['completed', 'done']);
      assert.deepEqual(
        (await told.transcript()).messages.map(({ role, text }) => [role, text]),
        [
          ['user', 'hello'],
          ['assistant', 'done'],
        ],
      );
      const { config, phase, turns } = await told.info();
      assert.deepEqual([config.historyLimit, phase, turns], [77, 'idle', 1]);
      const { city, initial_task } = (await told.context()).values;
      assert.deepEqual([city, initial_task], ['Ulm', 'hello']);
    });

    it('[S02] leaves nothing behind when mode, team, config or context is wrong, and does not take an id twice', async () => {
      const before = (await client.list({ limit: 1_000 })).sessions.length;
      await fails(
        client.create({ id: 'bad', mode: 'nope' }),
        'UnknownMode',
        /"nope". Known modes: copilot, planning-control, one-shot/,
      );
      await fails(client.create({ id: 'bad', mode: 'constructor' }), 'UnknownMode', /"constructor"/);
      await fails(
        client.create({ id: 'bad', team: 'nope' }),
        'TeamNotFound',
        /"nope". Known teams: data-analysis, default/,
      );
      await fails(
        client.create({ id: 'bad', config: { historyLimit: 1 } }),
        'InvalidInput',
        /^config\.historyLimit \(1\)/,
      );
      await fails(
        client.create({ id: 'bad', context: { big: 'x'.repeat(300_000) } }),
        'InvalidInput',
        /^context\.big \(.*\) is not valid: it is larger than 256 KiB/,
      );
      await fails(
        client.create({ id: 'bad', attach: ['/no/such/file'] }),
        'InvalidInput',
        /attach \("\/no\/such\/file"\)/,
      );
      await fails(client.session('bad').info(), 'SessionNotFound', /Session bad does not exist/);
      assert.equal(existsSync(join(world.server.homeDir, 'workspaces', 'bad')), false);

      const session = await client.create({ id: 'taken', message: 'one' });
      await fails(client.create({ id: 'taken' }), 'SessionExists', /Session taken exists already/);
      const same = await client.create({ id: 'taken', ifExists: 'use', message: 'two' });
      await until('both turns', async () => (await same.info()).turns === 2);
      await session.complete();
      await fails(client.create({ id: 'taken' }), 'SessionExists', /taken/);
      assert.equal((await client.create({ id: 'taken', ifExists: 'use' })).id, 'taken');
      await until(
        'one more is listed',
        async () => (await client.list({ limit: 1_000 })).sessions.length === before + 1,
      );
    });

    it('copies attached files into the workspace, and takes them back when the session is not started', async () => {
      const file = join(await mkdtemp(join(world.server.homeDir, 'in-')), 'data.csv');
      await writeFile(file, 'a,b\n1,2\n');
      const workspace = (id: string): string => join(world.server.homeDir, 'workspaces', id);
      await client.create({ id: 'with-file', attach: [file] });
      assert.equal(await readFile(join(workspace('with-file'), 'data.csv'), 'utf8'), 'a,b\n1,2\n');
      await fails(client.create({ id: 'without', mode: 'nope', attach: [file] }), 'UnknownMode', /nope/);
      assert.equal(existsSync(workspace('without')), false);
    });

    it('asks for the team once for many sessions at a time', async () => {
      const proxy = await startGrpcProxy(world.server.address);
      const patient = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir),
        address: proxy.address,
      });
      await Promise.all(Array.from({ length: 20 }, () => patient.create()));
      const starts = proxy.calls.filter((method) => method === 'StartWorkflowExecution');
      assert.equal(starts.length, 21, 'of all sessions, and of one question');
      await patient.close();
      await proxy.close();
    });
  });

  describe('send', () => {
    it('gives the turn, and the same turn when the same message is sent again', async () => {
      playTeam(world.model, { answer: 'the answer' });
      const session = await client.create({ mode: 'one-shot' });
      const turns = await Promise.all([1, 2, 3].map(() => session.send('question', { messageId: 'm1' })));
      for (const turn of turns)
        assert.deepEqual([turn.id, turn.status, turn.reply], ['turn-1', 'completed', 'the answer']);
      assert.equal((await session.send('question', { messageId: 'm1', wait: false })).status, 'completed');
      assert.equal((await session.info()).turns, 1);
    });

    it('[S16] keeps the messages of clients that send at once, in one order that every reader sees', async () => {
      const session = await client.create({ mode: 'one-shot' });
      const other = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir),
        address: world.server.address,
      });
      const texts = Array.from({ length: 12 }, (_, n) => `message ${n}`);
      const turns = await Promise.all(
        texts.map((text, n) => (n % 2 === 0 ? session : other.session(session.id)).send(text)),
      );
      assert.deepEqual(
        turns.map(({ status }) => status),
        texts.map(() => 'completed'),
      );
      assert.deepEqual(
        turns.map(({ number }) => number).toSorted((a, b) => a - b),
        texts.map((_, n) => n + 1),
      );
      const said = async (reader: SessionHandle) =>
        (await reader.transcript()).messages.filter(({ role }) => role === 'user').map(({ text }) => text);
      const here = await said(session);
      assert.deepEqual(here.toSorted(), texts.toSorted());
      assert.deepEqual(await said(other.session(session.id)), here);
      assert.deepEqual(
        here,
        texts.map((_, n) => texts[turns.findIndex(({ number }) => number === n + 1)]),
      );
      await other.close();
    });

    it('sends again what was answered into a broken connection, and the session has it once', async () => {
      const proxy = await startGrpcProxy(world.server.address);
      const unlucky = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir),
        address: proxy.address,
      });
      playTeam(world.model, { answer: 'once' });
      const { id } = await client.create({ mode: 'one-shot' });
      const session = unlucky.session(id);
      for (let n = 1; n <= 3; n++) {
        for (let lost = 0; lost < n; lost++) proxy.loseAnswerOf('UpdateWorkflowExecution');
        const turn = await session.send(`message ${n}`);
        assert.deepEqual([turn.number, turn.status, turn.reply], [n, 'completed', 'once']);
      }
      assert.deepEqual(
        (await session.transcript()).messages.filter(({ role }) => role === 'user').map(({ text }) => text),
        ['message 1', 'message 2', 'message 3'],
      );
      await unlucky.close();
      await proxy.close();
    });

    it('asks and sends again what the server gave up when its time was over, before this program saw that', async () => {
      const proxy = await startGrpcProxy(world.server.address);
      const late = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir),
        address: proxy.address,
      });
      playTeam(world.model, { answer: 'in time' });
      const { id } = await client.create({ mode: 'one-shot' });
      const session = late.session(id);
      proxy.loseAnswerOf('UpdateWorkflowExecution', CANCEL);
      assert.equal((await session.send('hello', { retryForMs: 0 })).reply, 'in time');
      proxy.loseAnswerOf('QueryWorkflow', CANCEL);
      assert.equal((await session.info()).turns, 1);
      await late.close();
      await proxy.close();
    });

    it('returns when the session has the message, without waiting for the turn', async () => {
      playTeam(world.model, { answer: 'late '.repeat(20), wordDelayMs: 100 });
      const session = await client.create({ mode: 'one-shot' });
      const turn = await session.send('slow one', { wait: false });
      assert.ok(['queued', 'running'].includes(turn.status), turn.status);
      assert.equal((await session.awaitTurn(turn.id)).reply, 'late '.repeat(20));
    });

    it('stops waiting when its signal aborts, and the turn goes on', async () => {
      playTeam(world.model, { answer: 'still here', delayMs: 1, wordDelayMs: 700 });
      const session = await client.create({ mode: 'one-shot' });
      await assert.rejects(session.send('slow one', { messageId: 'kept', signal: AbortSignal.timeout(500) }), {
        name: 'TimeoutError',
      });
      assert.equal((await session.send('slow one', { messageId: 'kept' })).reply, 'still here');
    });

    it('follows its turn over continue-as-new, with more senders than may wait', async () => {
      const session = await client.create({ mode: 'one-shot', config: { historyLimit: 40 } });
      const turns = await Promise.all(Array.from({ length: 15 }, (_, n) => session.send(`m${n}`)));
      assert.deepEqual(
        turns.map(({ status }) => status),
        turns.map(() => 'completed'),
      );
      assert.equal(new Set(turns.map(({ id }) => id)).size, 15);
      assert.ok((await session.info()).runs > 1);
    });

    it('is refused for what is no message, and nothing enters history', async () => {
      const session = await client.create();
      await session.info();
      const { historyLength: before } = await session.describe();
      await fails(session.send(' '), 'InvalidInput', /^text \(" "\) is not valid: it is empty/);
      await fails(session.send('a\u0000'), 'InvalidInput', /NUL/);
      await fails(session.send('x'.repeat(300_000)), 'InvalidInput', /256 KiB; attach a file/);
      await fails(session.awaitTurn('turn-99'), 'InvalidInput', /no such turn/);
      assert.equal((await session.info()).turns, 0);
      assert.equal((await session.describe()).historyLength, before);
    });
  });

  describe('states', () => {
    it('changes only what the table allows, and says what holds otherwise', async () => {
      const session = await client.create();
      assert.deepEqual(await session.continue(), { changed: false, status: 'active' });
      assert.deepEqual(await session.interrupt(), { changed: false, status: 'active' });
      assert.deepEqual(await session.suspend({ reason: 'lunch' }), { changed: true, status: 'suspended' });
      assert.deepEqual(await session.suspend(), { changed: false, status: 'suspended' });
      assert.equal((await session.info()).suspendReason, 'lunch');
      await fails(
        session.send('hello'),
        'WrongState',
        /needs a session that is active; this one is suspended.*copilot continue/,
      );
      const { turn, ...report } = await session.continue({ message: 'go on' });
      assert.deepEqual(report, { changed: true, status: 'active' });
      assert.equal((await session.awaitTurn(turn?.id ?? '')).status, 'completed');
      assert.deepEqual(await session.complete(), { changed: true, status: 'completed' });
      for (const change of [session.complete(), session.suspend(), session.continue(), session.interrupt()]) {
        assert.deepEqual(await change, { changed: false, status: 'completed' });
      }
      await fails(session.send('hello'), 'SessionClosed', /is completed and takes no more messages/);
      assert.equal((await session.transcript()).messages.length, 2);
    });

    it('says SessionNotFound everywhere for a session that does not exist', async () => {
      const ghost = client.session('ghost');
      const calls = [
        () => ghost.send('x'),
        () => ghost.awaitTurn('turn-1'),
        () => ghost.suspend(),
        () => ghost.continue(),
        () => ghost.interrupt(),
        () => ghost.complete(),
        () => ghost.info(),
        () => ghost.transcript(),
        () => ghost.turns(),
        () => ghost.plan(),
        () => ghost.context(),
        () => ghost.usage(),
        () => ghost.follow().next(),
      ];
      for (const call of calls) await fails(call(), 'SessionNotFound', /Session ghost does not exist/);
      await fails((async () => client.session('../x').info())(), 'InvalidInput', /session id \("\.\.\/x"\)/);
    });

    it('shows a session that was terminated from outside as what it is', async () => {
      const session = await client.create({ user: 'terminator' });
      await session.send('hello');
      await world.temporal.workflow.getHandle(session.id).terminate('test');
      assert.equal((await session.info()).status, 'terminated');
      await fails(session.send('hello'), 'SessionClosed', /is terminated/);
      await until(
        'it is listed so',
        async () => (await client.list({ user: 'terminator', status: 'terminated' })).sessions.length === 1,
      );
      assert.deepEqual((await client.list({ user: 'terminator', status: 'active' })).sessions, []);
    });
  });
});
