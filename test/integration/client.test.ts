/** The client library against a real server, real worker processes and a model that the test scripts. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { WorkflowIdReusePolicy } from '@temporalio/client';
import { copilotMode, copilotName, copilotPhase, copilotStatus, copilotUpdatedAt, copilotUser } from '../../src/contracts/search-attributes.ts';
import { CopilotClient, type CopilotError, type FollowEvent, type SessionHandle } from '../../src/index.ts';
import { startGrpcProxy } from '../helpers/grpc-proxy.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const fails = async (work: Promise<unknown>, type: string, message: RegExp): Promise<CopilotError> => {
  const error = await work.then(
    () => assert.fail(`it did not fail with ${type}`),
    (caught: CopilotError) => caught,
  );
  assert.equal(error.type, type, `${error.type}: ${error.message}`);
  assert.match(error.message, message);
  return error;
};

/** Events of a session until one matches, or the session ends. */
async function collect(session: SessionHandle, last: (event: FollowEvent) => boolean, from?: number): Promise<FollowEvent[]> {
  const events: FollowEvent[] = [];
  for await (const event of session.follow(from === undefined ? {} : { from })) {
    events.push(event);
    if (last(event)) break;
  }
  return events;
}

const isTurnEnd = (event: FollowEvent): boolean => event.type === 'turn-ended';

/** What a reader has on the screen in the end. */
const screen = (events: readonly FollowEvent[]): string =>
  events.reduce((text, event) => (event.type === 'reset' ? '' : event.type === 'token' ? text + event.text : text), '');

const seqs = (events: readonly FollowEvent[]): number[] => events.flatMap((event) => ('seq' in event ? [event.seq] : []));

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
    it('[S01] gives a new session: active, in phase init, version 1, a name of mode and time, an id that sorts by time', async () => {
      const first = await client.create();
      const second = await client.create({ mode: 'one-shot', user: 'ada', name: 'My session' });
      assert.match(first.id, /^ses_[0-9A-Z]{26}$/);
      assert.ok(first.id < second.id);
      const info = await first.info();
      assert.deepEqual(
        { status: info.status, phase: info.phase, version: info.version, turns: info.turns, mode: info.mode, team: info.team },
        { status: 'active', phase: 'init', version: 1, turns: 0, mode: 'copilot', team: 'default' },
      );
      assert.match(info.name, /^copilot_\d{8}_\d{6}$/);
      const named = info.name.replace(/^copilot_(....)(..)(..)_(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z');
      assert.ok(Math.abs(Date.parse(named) - Date.parse(info.createdAt)) < 3_000, `${info.name}, created ${info.createdAt}`);
      assert.deepEqual((await first.transcript()).messages, []);
      assert.deepEqual(await first.context(), { version: 0, values: {}, protectedKeys: [] });
      const other = await second.info();
      assert.deepEqual([other.name, other.user, other.mode], ['My session', 'ada', 'one-shot']);
      const config = await client.create({ id: 'my-own-id', config: { historyLimit: 77 }, context: { city: 'Ulm' }, message: 'hello' });
      assert.equal(config.id, 'my-own-id');
      assert.equal((await config.info()).config.historyLimit, 77);
      assert.equal((await config.context()).values['city'], 'Ulm');
    });

    it('[S02] leaves nothing behind when mode, team, config or context is wrong, and does not take an id twice', async () => {
      const before = (await client.list({ limit: 1_000 })).sessions.length;
      await fails(client.create({ id: 'bad', mode: 'nope' }), 'UnknownMode', /"nope". Known modes: copilot, planning-control, one-shot/);
      await fails(client.create({ id: 'bad', mode: 'constructor' }), 'UnknownMode', /"constructor"/);
      await fails(client.create({ id: 'bad', team: 'nope' }), 'TeamNotFound', /"nope". Known teams: default/);
      await fails(client.create({ id: 'bad', config: { historyLimit: 1 } }), 'InvalidInput', /^config\.historyLimit \(1\)/);
      await fails(client.create({ id: 'bad', context: { big: 'x'.repeat(300_000) } }), 'InvalidInput', /^context is not valid: it is 300\d+ characters/);
      await fails(client.create({ id: 'bad', attach: ['/no/such/file'] }), 'InvalidInput', /attach \("\/no\/such\/file"\)/);
      await fails(client.session('bad').info(), 'SessionNotFound', /Session bad does not exist/);
      assert.equal(existsSync(join(world.server.homeDir, 'workspaces', 'bad')), false);

      const session = await client.create({ id: 'taken', message: 'one' });
      await fails(client.create({ id: 'taken' }), 'SessionExists', /Session taken exists already/);
      const same = await client.create({ id: 'taken', ifExists: 'use', message: 'two' });
      await until('both turns', async () => (await same.info()).turns === 2);
      await session.complete();
      await fails(client.create({ id: 'taken' }), 'SessionExists', /taken/);
      assert.equal((await client.create({ id: 'taken', ifExists: 'use' })).id, 'taken');
      await until('one more is listed', async () => (await client.list({ limit: 1_000 })).sessions.length === before + 1);
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
      const patient = await CopilotClient.connect({ config: isolatedConfig(world.server.homeDir), address: world.server.address });
      const resolved = async () => await world.temporal.workflow.count("WorkflowType = 'copilotResolveTeam'");
      const { count: before } = await resolved();
      await Promise.all(Array.from({ length: 20 }, () => patient.create()));
      await until('one more', async () => (await resolved()).count === before + 1);
      await patient.close();
    });
  });

  describe('send', () => {
    it('gives the turn, and the same turn when the same message is sent again', async () => {
      playTeam(world.model, { answer: 'the answer' });
      const session = await client.create({ mode: 'one-shot' });
      const turns = await Promise.all([1, 2, 3].map(() => session.send('question', { messageId: 'm1' })));
      for (const turn of turns) assert.deepEqual([turn.id, turn.status, turn.reply], ['turn-1', 'completed', 'the answer']);
      assert.equal((await session.send('question', { messageId: 'm1', wait: false })).status, 'completed');
      assert.equal((await session.info()).turns, 1);
    });

    it('[S16] keeps the messages of clients that send at once, in one order that every reader sees', async () => {
      const session = await client.create({ mode: 'one-shot' });
      const other = await CopilotClient.connect({ config: isolatedConfig(world.server.homeDir), address: world.server.address });
      const texts = Array.from({ length: 12 }, (_, n) => `message ${n}`);
      const turns = await Promise.all(texts.map((text, n) => (n % 2 === 0 ? session : other.session(session.id)).send(text)));
      assert.deepEqual(turns.map(({ status }) => status), texts.map(() => 'completed'));
      assert.deepEqual(turns.map(({ number }) => number).toSorted((a, b) => a - b), texts.map((_, n) => n + 1));
      const said = async (reader: SessionHandle) =>
        (await reader.transcript()).messages.filter(({ role }) => role === 'user').map(({ text }) => text);
      const here = await said(session);
      assert.deepEqual(here.toSorted(), texts.toSorted());
      assert.deepEqual(await said(other.session(session.id)), here);
      assert.deepEqual(here, texts.map((_, n) => texts[turns.findIndex(({ number }) => number === n + 1)]));
      await other.close();
    });

    it('sends again what was answered into a broken connection, and the session has it once', async () => {
      const proxy = await startGrpcProxy(world.server.address);
      const unlucky = await CopilotClient.connect({ config: isolatedConfig(world.server.homeDir), address: proxy.address });
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
      await assert.rejects(session.send('slow one', { messageId: 'kept', signal: AbortSignal.timeout(500) }), { name: 'TimeoutError' });
      assert.equal((await session.send('slow one', { messageId: 'kept' })).reply, 'still here');
    });

    it('follows its turn over continue-as-new, with more senders than may wait', async () => {
      const session = await client.create({ mode: 'one-shot', config: { historyLimit: 40 } });
      const turns = await Promise.all(Array.from({ length: 15 }, (_, n) => session.send(`m${n}`)));
      assert.deepEqual(turns.map(({ status }) => status), turns.map(() => 'completed'));
      assert.equal(new Set(turns.map(({ id }) => id)).size, 15);
      assert.ok((await session.info()).runs > 1);
    });

    it('is refused for what is no message, and nothing enters history', async () => {
      const session = await client.create();
      await fails(session.send(' '), 'InvalidInput', /^text \(" "\) is not valid: it is empty/);
      await fails(session.send('a\u0000'), 'InvalidInput', /NUL/);
      await fails(session.send('x'.repeat(300_000)), 'InvalidInput', /256 KiB; attach a file/);
      await fails(session.awaitTurn('turn-99'), 'InvalidInput', /no such turn/);
      assert.equal((await session.info()).turns, 0);
      const { historyLength } = await session.describe();
      assert.ok(historyLength <= 4, `${historyLength} events`);
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
      await fails(session.send('hello'), 'WrongState', /needs a session that is active; this one is suspended.*copilot continue/);
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
      await until('it is listed so', async () => (await client.list({ user: 'terminator', status: 'terminated' })).sessions.length === 1);
      assert.deepEqual((await client.list({ user: 'terminator', status: 'active' })).sessions, []);
    });
  });

  describe('list', () => {
    /** Sessions that nobody serves: only what visibility knows of them. */
    const plant = async (rows: readonly { id: string; user: string; name: string; mode?: string; updatedMs: number }[]): Promise<void> => {
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
        return { id: `order-${String(place).padStart(3, '0')}`, user: 'order', name: `n${place}`, updatedMs: now - Math.floor(place / 3) * 60_000 };
      });
      await plant(rows);
      await until('all are listed', async () => (await client.count({ user: 'order' })) === 450);
      const expected = rows.toSorted((a, b) => b.updatedMs - a.updatedMs || (a.id < b.id ? 1 : -1)).map(({ id }) => id);
      const seen: string[] = [];
      for (let after: string | null | undefined; after !== null; ) {
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

    it('filters by user, mode, status, whole name and beginning, all at once, whatever the values hold', async () => {
      const now = Date.now();
      const names = ["it's", 'a"b', 'back\\slash', '100%', 'a_b', "' OR ''='", 'ünï 😀', 'plain', 'plain and more'];
      await plant(names.map((name, n) => ({ id: `filter-${n}`, user: `u'${n % 2}`, name, mode: n < 3 ? 'one-shot' : 'copilot', updatedMs: now - n })));
      await until('all are listed', async () => (await client.list({ user: "u'0" })).sessions.length === 5);
      for (const name of names) {
        assert.deepEqual((await client.list({ name })).sessions.map((row) => row.name), [name]);
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
      assert.deepEqual(await client.countByStatus({ user: "u'0" }), { active: 5, suspended: 0, completed: 0, terminated: 0, failed: 0 });
      await fails(client.list({ limit: 0 }), 'InvalidInput', /^limit \(0\)/);
      await fails(client.list({ after: 'nonsense' }), 'InvalidInput', /^after \("nonsense"\) is not valid: use `next`/);
    });

    it('shows name, status and phase of real sessions, and their creation over continue-as-new', async () => {
      const session = await client.create({ mode: 'one-shot', user: 'lister', name: 'Long one', config: { historyLimit: 40 } });
      for (let n = 0; n < 8; n++) await session.send(`m${n}`);
      const { createdAt, runs } = await session.info();
      assert.ok(runs > 1);
      const row = await until('its row', async () => (await client.list({ user: 'lister' })).sessions[0]);
      assert.deepEqual([row.id, row.name, row.mode, row.status, row.phase], [session.id, 'Long one', 'one-shot', 'active', 'idle']);
      assert.ok(Math.abs(Date.parse(row.createdAt) - Date.parse(createdAt)) < 2_000, `${row.createdAt} against ${createdAt}`);
      await session.suspend();
      await until('suspended is listed', async () => (await client.list({ user: 'lister', status: 'suspended' })).sessions.length === 1);
      await session.complete();
      await until('completed is listed', async () => (await client.list({ user: 'lister', status: 'completed' })).sessions.length === 1);
      assert.equal((await client.list({ user: 'lister' })).sessions.length, 1);
    });
  });

  describe('follow', () => {
    it('gives the text of a slow reply while it is written, once and whole, with no event in history for it', async () => {
      const answer = Array.from({ length: 40 }, (_, n) => `word${n} `).join('');
      playTeam(world.model, { answer, wordDelayMs: 50 });
      const session = await client.create({ mode: 'one-shot', message: 'tell me' });
      const times: number[] = [];
      const events = await collect(session, (event) => {
        if (event.type === 'token') times.push(Date.now());
        return isTurnEnd(event);
      }, 0);
      assert.equal(screen(events), answer);
      assert.ok(times.length >= 10, `${times.length} pieces`);
      assert.ok((times.at(-1) ?? 0) - (times[0] ?? 0) > 1_000, 'the text came all at once');
      assert.ok(!events.some(({ type }) => type === 'reset'));
      assert.deepEqual(seqs(events), seqs(events).map((_, n) => n));
      const { length } = await fullHistory(world.temporal, session.id);
      playTeam(world.model, { answer: 'short' });
      const quick = await client.create({ mode: 'one-shot' });
      await quick.send('tell me');
      const quickLength = (await fullHistory(world.temporal, quick.id)).length;
      // The one began with its message, the other was sent it; apart from that a slow turn has the events of a quick one.
      assert.ok(length <= quickLength, `${length} events against ${quickLength}`);
    });

    it('[R05] gives each text once after the worker died in the middle of it', async () => {
      const answer = Array.from({ length: 30 }, (_, n) => `word${n} `).join('');
      playTeam(world.model, { answer, wordDelayMs: 60 });
      const session = await client.create({ mode: 'one-shot', message: 'tell me' });
      let isKilled = false;
      const events: FollowEvent[] = [];
      for await (const event of session.follow({ from: 0 })) {
        events.push(event);
        if (event.type === 'token' && !isKilled) {
          isKilled = true;
          await world.workers[0]?.kill();
          await world.startWorker();
        }
        if (isTurnEnd(event)) break;
      }
      assert.equal(events.filter(({ type }) => type === 'reset').length, 1);
      assert.equal(screen(events), answer);
      assert.deepEqual(seqs(events), seqs(events).map((_, n) => n));
    });

    it('joins in the middle of a reply, and two followers see the same', async () => {
      const answer = Array.from({ length: 30 }, (_, n) => `word${n} `).join('');
      playTeam(world.model, { answer, wordDelayMs: 60 });
      const session = await client.create({ mode: 'one-shot', message: 'tell me' });
      for await (const event of session.follow({ from: 0 })) if (event.type === 'token') break;
      const [one, two] = await Promise.all([collect(session, isTurnEnd), collect(session, isTurnEnd)]);
      assert.equal(screen(one), answer);
      assert.equal(screen(two), answer);
    });

    it('goes from run to run without gap or repetition, and gives all runs from the start', async () => {
      const session = await client.create({ mode: 'one-shot', config: { historyLimit: 40 } });
      let ended = 0;
      const live = collect(session, (event) => event.type === 'turn-ended' && (ended += 1) === 8, 0);
      for (let n = 0; n < 8; n++) await session.send(`m${n}`);
      const events = await live;
      assert.ok((await session.info()).runs > 1);
      assert.deepEqual(seqs(events), seqs(events).map((_, n) => n));
      let again = 0;
      const later = await collect(session, (event) => event.type === 'turn-ended' && (again += 1) === 8, 0);
      const lasting = (all: readonly FollowEvent[]) => all.filter((event) => 'seq' in event);
      assert.deepEqual(lasting(later), lasting(events));
    });

    it('ends when the session has ended and all was given, at once for one that ended before, and with its signal', async () => {
      const session = await client.create({ mode: 'one-shot' });
      const all = collect(session, () => false, 0);
      await session.send('hello');
      await session.complete();
      assert.deepEqual((await all).slice(-2).map(({ type }) => type), ['turn-ended', 'session']);
      assert.deepEqual(await collect(session, () => false), []);
      assert.equal((await collect(session, () => false, 0)).at(-1)?.type, 'session');
      const idle = await client.create();
      const seen: FollowEvent[] = [];
      for await (const event of idle.follow({ signal: AbortSignal.timeout(300) })) seen.push(event);
      assert.deepEqual(seen, []);
    });

    it('costs one long poll while nothing happens, and reads heartbeats only while a model writes', async () => {
      const proxy = await startGrpcProxy(world.server.address);
      const watcher = await CopilotClient.connect({ config: isolatedConfig(world.server.homeDir), address: proxy.address });
      playTeam(world.model, { answer: 'word '.repeat(20), wordDelayMs: 50 });
      const session = await client.create({ mode: 'one-shot' });
      const watched = collect(watcher.session(session.id), isTurnEnd);
      const polling = () => proxy.calls.filter((call) => call === 'GetWorkflowExecutionHistory').length;
      await until('the follower waits', async () => polling() >= 2);
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = proxy.calls.length;
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      assert.deepEqual(proxy.calls.slice(before), []);

      await session.send('tell me');
      assert.equal(screen(await watched), 'word '.repeat(20));
      assert.ok(proxy.calls.slice(before).filter((call) => call === 'DescribeWorkflowExecution').length >= 5);
      await watcher.close();
      await proxy.close();
    });
  });
});

describe('client without workers or server', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'here again' });
  });
  after(() => world.stop());

  it('sends a message once through the absence of worker and server, and reads a completed session without a worker', async () => {
    const session = await world.copilot.create({ mode: 'one-shot' });
    const done = await world.copilot.create({ mode: 'one-shot' });
    await done.send('first and last');
    await done.complete();
    await world.workers[0]?.kill();
    await world.server.kill();

    const sent = session.send('are you there?', { messageId: 'patient' });
    const follower = collect(session, isTurnEnd, 0);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await world.server.restart();
    const info = await done.info();
    assert.deepEqual([info.status, info.turns], ['completed', 1]);
    assert.equal((await world.copilot.list({ status: 'completed' })).sessions.length, 1);
    await world.startWorker();
    assert.deepEqual([(await sent).status, (await sent).reply], ['completed', 'here again']);
    assert.equal(screen(await follower), 'here again');
    assert.equal((await session.info()).turns, 1);
  });

  it('says that no worker answers, and leaves nothing running', async () => {
    const { homeDir, address } = world.server;
    const session = await world.copilot.create({ mode: 'one-shot' });
    const lonely = await CopilotClient.connect({ config: isolatedConfig(homeDir, { COPILOT_TASK_QUEUE: 'deserted' }), address });
    const startedAt = Date.now();
    await fails(lonely.create(), 'NoWorker', /No worker answers on task queue "deserted". Start one with `copilot worker`/);
    assert.ok(Date.now() - startedAt < 15_000);
    await until('the question is closed', async () => {
      const { count } = await world.temporal.workflow.count("WorkflowType = 'copilotResolveTeam' AND ExecutionStatus = 'Running'");
      return count === 0;
    });
    await lonely.close();

    await Promise.all(world.workers.map((worker) => worker.kill()));
    await fails(session.info(), 'NoWorker', /No worker answers/);
    await fails(session.send('hello', { retryForMs: 1_000 }), 'NoWorker', /No worker answers/);
  });

  it('says within seconds that no server answers', async () => {
    const config = isolatedConfig(world.server.homeDir, { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const startedAt = Date.now();
    await fails(CopilotClient.connect({ config }), 'ServerUnreachable', /No Temporal server answers at 127\.0\.0\.1:1.*copilot dev/);
    assert.ok(Date.now() - startedAt < 6_000);

    const session = world.copilot.session('any');
    await world.server.kill();
    await fails(session.send('hello', { retryForMs: 2_000 }), 'ServerUnreachable', /No Temporal server answers/);
    await fails(session.info(), 'ServerUnreachable', /No Temporal server answers/);
  });
});
