/** What changes a session's state, what does not, and who may ask for it in which way. Real server, real worker process. */
import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SessionHandle } from '../../src/client.ts';
import type { ChangeOptions, ErrorDetails, SessionStatus, StatusReport } from '../../src/client.ts';
import { DurableContext } from '../../src/workflows/context/context.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { signalByTemporalCli, signalByWebUi } from '../helpers/outside.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const STATUSES = ['active', 'suspended', 'completed', 'expired'] as const satisfies readonly SessionStatus[];
const IDLE_TIMEOUT_MS = 1_000;
/** Of the one that is suspended in time. */
const LONG_IDLE_TIMEOUT_MS = 4_000;
const NOBODY = 'ses_nobody';
const SAVED = { conversation: [{ role: 'user', text: 'hello' }], context: { a: 3 }, phase: 'planning', step: 2 };
/** Each takes about a second of a core. */
const COMMANDS_AT_ONCE = 4;

/** What people ask of a session: from which states it leads to which. From all others it changes nothing. */
const REQUESTS: Record<string, { from: readonly SessionStatus[]; to: SessionStatus; ask: Ask }> = {
  suspend: { from: ['active'], to: 'suspended', ask: (session) => session.suspend() },
  'suspend now': { from: ['active'], to: 'suspended', ask: (session) => session.suspend({ now: true, reason: 'now' }) },
  continue: { from: ['suspended'], to: 'active', ask: (session) => session.continue() },
  complete: { from: ['active', 'suspended'], to: 'completed', ask: (session) => session.complete() },
};
type Ask = (session: SessionHandle) => Promise<StatusReport>;

const isClosed = (status: SessionStatus): boolean => status === 'completed' || status === 'expired';

describe('session states', function () {
  this.timeout(600_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
    playTeam(world.model);
  });
  after(() => world.stop());

  async function sessionThatIs(status: SessionStatus, idleTimeoutMs: number | null = null): Promise<SessionHandle> {
    const timeoutMs = status === 'expired' ? IDLE_TIMEOUT_MS : idleTimeoutMs;
    const session = await world.copilot.create({ mode: 'one-shot', config: { idleTimeoutMs: timeoutMs } });
    if (status === 'suspended') await session.suspend({ reason: 'lunch' });
    if (status === 'completed') await session.complete();
    if (status === 'expired') await until('expired', async () => (await session.describe()).isClosed);
    return session;
  }

  /** What a change would show in. */
  async function facts(session: SessionHandle): Promise<object> {
    const { status, suspendReason, version, updatedAt, lastActiveAt, notes } = await session.info();
    return { status, suspendReason, version, updatedAt, lastActiveAt, notes };
  }

  interface Reply {
    readonly changed?: boolean;
    readonly status?: string;
    readonly error?: { readonly type: string; readonly message: string; readonly details: ErrorDetails };
  }

  async function copilot(...args: readonly string[]): Promise<Reply & { readonly code: number | null }> {
    const { code, stdout, stderr } = await runCli([...args, '--json'], env);
    assert.match(stdout, /^\{.*\}\n$/, `${args.join(' ')}: ${stdout}${stderr}`);
    return { ...(JSON.parse(stdout) as Reply), code }; // checked by what the test asserts of it
  }

  async function fileOf(content: unknown): Promise<string> {
    const path = join(await mkdtemp(join(world.server.homeDir, 'in-')), 'input.json');
    await writeFile(path, JSON.stringify(content));
    return path;
  }

  describe('the table', () => {
    /** Everything from this state that is not in the table. */
    async function changesNothing(status: SessionStatus): Promise<void> {
      const session = await sessionThatIs(status);
      const before = await facts(session);
      for (const [name, { from, ask }] of Object.entries(REQUESTS)) {
        if (from.includes(status)) continue;
        assert.deepEqual(await ask(session), { changed: false, status }, `${name} of a session that is ${status}`);
        assert.deepEqual(await facts(session), before, `${name} of a session that is ${status}`);
      }
      const handle = world.temporal.workflow.getHandle(session.id);
      for (const [signal, from] of [
        ['suspend', 'active'],
        ['continue', 'suspended'],
      ] as const) {
        if (status === from) continue;
        if (isClosed(status)) await assert.rejects(handle.signal(signal), { name: 'WorkflowNotFoundError' });
        else await handle.signal(signal);
        assert.deepEqual(await facts(session), before, `signal ${signal} to a session that is ${status}`);
      }
    }

    /** Everything from this state that is in the table. */
    async function changes(status: SessionStatus): Promise<void> {
      for (const [name, { from, to, ask }] of Object.entries(REQUESTS)) {
        if (!from.includes(status)) continue;
        const session = await sessionThatIs(status);
        const { version, updatedAt } = await session.info();
        assert.deepEqual(await ask(session), { changed: true, status: to }, `${name} of a session that is ${status}`);
        const now = await session.info();
        assert.equal(now.status, to);
        assert.ok(now.version > version && now.updatedAt > updatedAt, `${name}: ${now.version} ${now.updatedAt}`);
      }
    }

    /** In every state there is a fork, which leaves the session as it was, and then a deletion. */
    async function forksAndGoes(status: SessionStatus): Promise<void> {
      const session = await sessionThatIs(status);
      const before = await facts(session);
      const fork = await session.fork({ config: { idleTimeoutMs: null } });
      assert.deepEqual([(await fork.info()).status, (await fork.send('hello')).status], ['active', 'completed']);
      assert.deepEqual(await facts(session), before, `fork of a session that is ${status}`);
      await session.delete();
      await fails(session.info(), 'SessionNotFound', new RegExp(session.id));
      assert.equal((await fork.info()).status, 'active');
    }

    /** The calls of every method of a handle. A new method has to be written down here. */
    const CALLS: Record<string, (nobody: SessionHandle) => Promise<unknown>> = {
      send: (nobody) => nobody.send('hello'),
      awaitTurn: (nobody) => nobody.awaitTurn('turn-1'),
      stream: (nobody) => nobody.stream('hello').result(),
      suspend: (nobody) => nobody.suspend(),
      continue: (nobody) => nobody.continue(),
      interrupt: (nobody) => nobody.interrupt(),
      complete: (nobody) => nobody.complete(),
      load: (nobody) => nobody.load(),
      save: (nobody) => nobody.save(SAVED),
      setContext: (nobody) => nobody.setContext('a', 1),
      deleteContext: (nobody) => nobody.deleteContext('a'),
      updateContext: (nobody) => nobody.updateContext({ a: 1 }),
      mergeContext: (nobody) => nobody.mergeContext({ a: 1 }),
      clearEphemeral: (nobody) => nobody.clearEphemeral(),
      getContext: (nobody) => nobody.getContext('a'),
      hasContext: (nobody) => nobody.hasContext('a'),
      savedContext: (nobody) => nobody.savedContext(),
      loadContext: (nobody) => nobody.loadContext(new DurableContext().toJSON()),
      getSnapshot: (nobody) => nobody.getSnapshot('latest'),
      snapshot: (nobody) => nobody.snapshot('now'),
      restoreContext: (nobody) => nobody.restoreContext('latest'),
      export: (nobody) => nobody.export(),
      fork: (nobody) => nobody.fork(),
      delete: (nobody) => nobody.delete(),
      info: (nobody) => nobody.info(),
      attached: (nobody) => nobody.attached(),
      describe: (nobody) => nobody.describe(),
      transcript: (nobody) => nobody.transcript(),
      turns: (nobody) => nobody.turns(),
      plan: (nobody) => nobody.plan(),
      context: (nobody) => nobody.context(),
      snapshots: (nobody) => nobody.snapshots(),
      changes: (nobody) => nobody.changes(),
      contextSize: (nobody) => nobody.contextSize(),
      contextDiff: (nobody) => nobody.contextDiff('latest'),
      usage: (nobody) => nobody.usage(),
      position: (nobody) => nobody.position(),
      follow: (nobody) => nobody.follow().next(),
      requests: (nobody) => nobody.requests(),
      request: (nobody) => nobody.request('req-1'),
      decisions: (nobody) => nobody.decisions(),
      decide: (nobody) => nobody.decide('req-1', 'approve'),
      configure: (nobody) => nobody.configure({ allowCode: true }),
      editPlan: (nobody) => nobody.editPlan([{ op: 'restart', step: 1 }]),
      unqueue: (nobody) => nobody.unqueue('m1'),
      rate: (nobody) => nobody.rate(5),
    };

    /** What the commands take after the id. A new command that takes an id has to be written down here. */
    const COMMANDS: Record<string, () => Promise<readonly string[]> | readonly string[]> = {
      send: () => ['hello'],
      chat: () => [],
      follow: () => [],
      suspend: () => [],
      continue: () => [],
      interrupt: () => [],
      complete: () => [],
      show: () => [],
      transcript: () => [],
      plan: () => [],
      load: () => [],
      save: async () => [await fileOf(SAVED)],
      delete: () => ['--yes'],
      fork: () => [],
      export: () => [],
      'context get': () => [],
      'context has': () => ['a'],
      'context clear': () => [],
      'context save': () => [],
      'context load': async () => [await fileOf(new DurableContext())],
      'context set': () => ['a', '1'],
      'context delete': () => ['a'],
      'context merge': async () => [await fileOf({ a: 1 })],
      'context snapshot': () => ['now'],
      'context changes': () => [],
      'context size': () => [],
      snapshots: () => [],
      restore: () => ['latest'],
      diff: () => ['latest'],
      approve: () => [],
      deny: () => [],
      answer: () => ['req-1', 'yes'],
      decide: () => ['req-1', 'approve'],
      configure: () => ['--allow-code'],
      steer: () => ['hello'],
      unqueue: () => ['m1'],
      rate: () => ['5'],
      'plan edit': () => ['restart', '1'],
    };

    /** Names of the commands whose help says that they take the id of a session. */
    async function commandsWithId(...group: string[]): Promise<string[]> {
      const { stdout } = await runCli([...group, '--help'], env);
      const own = [...stdout.matchAll(/^ {2}([a-z-]+)(?: \[options\])? [<[]id[>\]]/gm)];
      return own.map(([, name = '']) => [...group, name].join(' '));
    }

    async function nobodyIsFoundNowhere(): Promise<void> {
      // What it inherits, too: its reading half is a class of its own.
      const reader = Object.getPrototypeOf(SessionHandle.prototype) as object;
      const methods = [SessionHandle.prototype, reader]
        .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
        .filter((name) => name !== 'constructor');
      assert.deepEqual(Object.keys(CALLS).toSorted(), methods.toSorted(), 'CALLS lacks a method of SessionHandle');
      for (const [name, call] of Object.entries(CALLS)) {
        const { details } = await fails(call(world.copilot.session(NOBODY)), 'SessionNotFound', /copilot list/);
        assert.deepEqual(details, { sessionId: NOBODY }, name);
      }
      const groups = [[], ['context'], ['plan']];
      const commands = (await Promise.all(groups.map((group) => commandsWithId(...group)))).flat();
      assert.deepEqual(Object.keys(COMMANDS).toSorted(), commands.toSorted(), 'COMMANDS lacks a command');
      for (let at = 0; at < commands.length; at += COMMANDS_AT_ONCE) {
        await Promise.all(
          commands.slice(at, at + COMMANDS_AT_ONCE).map(async (name) => {
            const { code, error } = await copilot(...name.split(' '), NOBODY, ...((await COMMANDS[name]?.()) ?? []));
            assert.deepEqual([code, error?.type, error?.details], [3, 'SessionNotFound', { sessionId: NOBODY }], name);
          }),
        );
      }
    }

    it('[S03] of states holds; what is not in it changes nothing and says so; an unknown session is SessionNotFound everywhere', async () => {
      // Longer suspended than it may be idle.
      const suspended = await sessionThatIs('suspended', LONG_IDLE_TIMEOUT_MS);
      for (const status of STATUSES) {
        await changesNothing(status);
        await changes(status);
      }
      await Promise.all(STATUSES.map(forksAndGoes));
      await nobodyIsFoundNowhere();
      const { status, updatedAt } = await suspended.info();
      assert.equal(status, 'suspended');
      assert.ok(Date.now() - Date.parse(updatedAt) > 2 * LONG_IDLE_TIMEOUT_MS);
    });

    it('[S03] only time expires a session: an update that asks for it changes nothing and says so', async () => {
      for (const status of ['active', 'suspended'] as const) {
        const session = await sessionThatIs(status);
        const before = await facts(session);
        const handle = world.temporal.workflow.getHandle(session.id);
        const report = await handle.executeUpdate('changeStatus', { args: [{ status: 'expired' }] });
        assert.deepEqual(report, { changed: false, status });
        assert.deepEqual(await facts(session), before);
      }
    });
  });

  describe('a stale version', () => {
    /** Every change that takes `expectedVersion`, in the library; `editPlan` in people/plan-editing.test.ts. */
    const CHANGES: Record<string, (session: SessionHandle, options: ChangeOptions) => Promise<unknown>> = {
      save: (session, options) => session.save(SAVED, options),
      set: (session, options) => session.setContext('a', 3, options),
      delete: (session, options) => session.deleteContext('a', options),
      update: (session, options) => session.updateContext({ a: 3 }, options),
      merge: (session, options) => session.mergeContext({ b: 3 }, options),
      clear: (session, options) => session.clearEphemeral(options),
      load: async (session, options) => session.loadContext(await session.savedContext(), options),
      snapshot: (session, options) => session.snapshot('second', options),
      restore: (session, options) => session.restoreContext('latest', options),
    };
    /** The same as commands. */
    const COMMANDS: Record<string, (id: string) => Promise<readonly string[]> | readonly string[]> = {
      save: async (id) => ['save', id, await fileOf(SAVED)],
      set: (id) => ['context', 'set', id, 'a', '3'],
      delete: (id) => ['context', 'delete', id, 'a'],
      merge: async (id) => ['context', 'merge', id, await fileOf({ b: 3 })],
      clear: (id) => ['context', 'clear', id],
      load: async (id) => ['context', 'load', id, await fileOf(new DurableContext())],
      snapshot: (id) => ['context', 'snapshot', id, 'second'],
      restore: (id) => ['restore', id, 'latest'],
    };

    async function everything(session: SessionHandle): Promise<object> {
      const { historyLength } = await session.describe();
      const [snapshots, log] = [await session.snapshots(), await session.changes()];
      return { ...(await session.load()), protected: await session.context(), snapshots, log, historyLength };
    }

    it('is VersionConflict with both versions, in every change of the library and every command, and changes nothing', async () => {
      const session = await world.copilot.create({ context: { a: 1 } });
      await session.snapshot('first');
      const { version: expected } = await session.load();
      const { version: actual } = await session.setContext('a', 2, { expectedVersion: expected });
      assert.equal(actual, expected + 1);
      const before = await everything(session);
      // Neither of the past nor of the future.
      for (const wrong of [expected, actual + 1]) {
        for (const [name, change] of Object.entries(CHANGES)) {
          const message = new RegExp(`is at version ${actual}, not ${wrong}: somebody else changed it`);
          const { details } = await fails(change(session, { expectedVersion: wrong }), 'VersionConflict', message);
          assert.deepEqual(details, { expected: wrong, actual }, name);
        }
      }
      for (const [name, command] of Object.entries(COMMANDS)) {
        const version = ['--expected-version', String(expected)];
        const { code, error } = await copilot(...(await command(session.id)), ...version);
        assert.deepEqual([code, error?.type, error?.details], [4, 'VersionConflict', { expected, actual }], name);
      }
      assert.deepEqual(await everything(session), before);
      // The present one is taken, by each in turn.
      for (const [name, change] of Object.entries(CHANGES)) {
        const { version } = await session.load();
        await assert.doesNotReject(change(session, { expectedVersion: version }), name);
      }
    });
  });

  describe('who asks', () => {
    /** The three updates in the library and on the command line. */
    const BY_UPDATE: Record<string, (name: string, id: string) => Promise<Reply>> = {
      client: async (name, id) => (await REQUESTS[name]?.ask(world.copilot.session(id))) ?? {},
      CLI: async (name, id) => {
        const { changed, status, code } = await copilot(name, id);
        assert.equal(code, 0);
        return { ...(changed === undefined ? {} : { changed }), ...(status === undefined ? {} : { status }) };
      },
    };
    const BY_SIGNAL: Record<string, (name: string, id: string, input?: object) => Promise<void>> = {
      client: async (name, id, input) =>
        await world.temporal.workflow.getHandle(id).signal(name, ...(input === undefined ? [] : [input])),
      'temporal CLI': (name, id, input) => signalByTemporalCli(world.server, id, name, input),
      'Web UI': (name, id, input) => signalByWebUi(world.server, id, name, input),
    };

    it('[S08] suspend from active, continue from suspended, complete from both: by update from client and CLI, suspend and continue also by signal from client, temporal CLI and Web UI', async () => {
      for (const [who, change] of Object.entries(BY_UPDATE)) {
        const { id } = await sessionThatIs('active');
        const expect = async (name: string, changed: boolean, status: SessionStatus): Promise<void> =>
          assert.deepEqual(await change(name, id), { changed, status }, `${name} by ${who}`);
        await expect('continue', false, 'active');
        await expect('suspend', true, 'suspended');
        await expect('suspend', false, 'suspended');
        await expect('continue', true, 'active');
        await expect('suspend', true, 'suspended');
        await expect('complete', true, 'completed');
        for (const name of ['suspend', 'continue', 'complete']) await expect(name, false, 'completed');
        const other = await sessionThatIs('active');
        assert.deepEqual(await change('complete', other.id), { changed: true, status: 'completed' }, who);
      }
      for (const [who, signal] of Object.entries(BY_SIGNAL)) {
        const session = await sessionThatIs('active');
        const expect = async (status: SessionStatus, reason: string | null, isChange: boolean): Promise<void> => {
          const { version, suspendReason, notes, ...info } = await session.info();
          assert.deepEqual(
            [info.status, suspendReason, version - seen, notes],
            [status, reason, Number(isChange), []],
            who,
          );
          seen = version;
        };
        let { version: seen } = await session.info();
        await signal('continue', session.id);
        await expect('active', null, false);
        await signal('suspend', session.id, { reason: `by ${who}` });
        await expect('suspended', `by ${who}`, true);
        await signal('suspend', session.id, { reason: 'again' });
        await expect('suspended', `by ${who}`, false);
        await signal('continue', session.id);
        await expect('active', null, true);
        await session.complete();
        for (const name of ['suspend', 'continue']) await assert.rejects(signal(name, session.id), /./, who);
        assert.equal((await session.info()).status, 'completed');
      }
    });
  });
});
