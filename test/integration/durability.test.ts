/** A session outlives its worker, its server and both at once. Real server, real worker processes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual, promisify } from 'node:util';
import type { CopilotError, SessionHandle } from '../../src/client.ts';
import { cachedServerFile } from '../../src/server/program.ts';
import { until } from '../helpers/history.ts';
import { isFull, itInFull } from '../helpers/full.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const FILES = ['a.txt', 'b.txt', 'c.txt'];
const EVERY_CALL_ONCE = ['inline', ...FILES.flatMap((file) => [`step write ${file}`, 'step (tool)']), 'answer'];

const SETTLED_MS = 30_000;

/** Sends a signal with the plain `temporal` CLI, as someone without our client would. */
async function signal(world: World, id: string, name: string): Promise<void> {
  const binary = process.env['TEMPORAL_CLI'] ?? cachedServerFile(isolatedConfig(world.server.homeDir));
  const args = ['workflow', 'signal', '--address', world.server.address, '--workflow-id', id, '--name', name];
  await promisify(execFile)(binary, args);
}

describe('durability', function () {
  this.timeout(120_000);
  let world: World;
  let earlierCalls: number;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());
  beforeEach(() => (earlierCalls = world.model.requests.length));

  it('[S09] a plan suspended by the plain temporal CLI goes on at its step after worker and server were killed, and repeats nothing', async () => {
    playTeam(world.model, { files: FILES, delayMs: 700, answer: 'all three files are written' });
    const { id } = await world.copilot.create({ message: 'write three files' });
    const session = () => world.copilot.session(id);
    await until('the first step', async () => (await session().plan())?.steps[0]?.status === 'completed');

    await signal(world, id, 'suspend');
    assert.equal((await session().info()).status, 'suspended');
    // The running activity still finishes, and its result is kept.
    await until(
      'quiet',
      async () => (await world.temporal.workflow.getHandle(id).describe()).raw.pendingActivities?.length === 0,
    );
    const before = callsOf(world.model).slice(earlierCalls);
    const planBefore = await session().plan();
    assert.ok(before.length < EVERY_CALL_ONCE.length, 'suspended too late to show anything');

    await world.workers.at(-1)?.kill();
    await world.server.kill();
    await world.server.restart();
    await world.startWorker();
    await world.reconnect();
    assert.deepEqual(await session().plan(), planBefore);
    assert.equal((await session().info()).status, 'suspended');

    await signal(world, id, 'continue');
    const turn = await session().awaitTurn('turn-1');
    assert.equal(turn.status, 'completed');
    assert.equal(turn.reply, 'all three files are written');
    assert.deepEqual(
      turn.steps.map(({ status, attempts }) => [status, attempts]),
      FILES.map(() => ['completed', 1]),
    );
    assert.deepEqual(callsOf(world.model).slice(earlierCalls), EVERY_CALL_ONCE);
    for (const file of FILES) {
      assert.equal(await readFile(join(world.server.homeDir, 'workspaces', id, file), 'utf8'), `I am ${file}\n`);
    }
  });

  itInFull(
    'after its worker was killed in the middle of a plan, a session repeats the model call that was running and no other',
    async () => {
      playTeam(world.model, { files: FILES, delayMs: 700 });
      const { id } = await world.copilot.create({ message: 'write three files' });
      await until('the second step', async () => callsOf(world.model).slice(earlierCalls).includes('step write b.txt'));
      await world.workers.at(-1)?.kill();
      await world.startWorker();
      const turn = await world.copilot.session(id).awaitTurn('turn-1');
      assert.equal(turn.status, 'completed');
      const cutOff = EVERY_CALL_ONCE.indexOf('step write b.txt');
      assert.deepEqual(
        callsOf(world.model).slice(earlierCalls),
        EVERY_CALL_ONCE.toSpliced(cutOff, 0, 'step write b.txt'),
      );
      assert.deepEqual(turn.artifacts, FILES);
    },
  );

  it('[R02] a server killed in the middle of a plan is found again, and the turn ends as if nothing had been', async () => {
    playTeam(world.model, { files: FILES, delayMs: 300, answer: 'still here' });
    const { id } = await world.copilot.create({ message: 'write three files' });
    await until('a step', async () => callsOf(world.model).slice(earlierCalls).includes('step write a.txt'));
    await world.server.kill();
    await world.server.restart();
    await world.reconnect();
    const turn = await world.copilot.session(id).awaitTurn('turn-1');
    assert.equal(turn.status, 'completed');
    assert.equal(turn.reply, 'still here');
    assert.deepEqual(turn.artifacts, FILES);
    assert.deepEqual(
      turn.steps.map(({ status, attempts }) => [status, attempts]),
      FILES.map(() => ['completed', 1]),
    );
    // The worker keeps the answer to the call that was running, and reports it when the server is back.
    assert.deepEqual(callsOf(world.model).slice(earlierCalls), EVERY_CALL_ONCE);
  });

  it('[S04] every change is there when server and worker are killed as soon as the call has returned', async function () {
    if (isFull) this.timeout(600_000);
    playTeam(world.model, {
      files: FILES,
      delayMs: 60_000,
      instead: ({ last }) => (last === 'talk' ? { text: 'word '.repeat(600), wordDelayMs: 100 } : undefined),
    });
    const changes = await Promise.all(Object.entries(CHANGES).map((entry) => prepared(world, ...entry)));
    const groups = isFull ? changes.map((change) => [change]) : [changes];
    for (const group of groups) {
      await Promise.all(group.map(({ change }) => change()));
      await Promise.all([world.server.kill(), world.workers.at(-1)?.kill()]);
      await world.server.restart();
      await world.startWorker();
      await world.reconnect();
      for (const { check } of group) await check();
    }
  });
});

/** One kind of change: what it needs, the call, and what anybody can read afterwards. */
interface DurableChange {
  readonly prepare?: (session: SessionHandle, world: World) => Promise<unknown>;
  readonly change: (session: SessionHandle, world: World) => Promise<unknown>;
  readonly read: (session: SessionHandle, world: World) => Promise<unknown>;
  readonly expected: unknown;
}

const talking = async (session: SessionHandle, world: World): Promise<void> => {
  await session.send('talk', { wait: false });
  const { length } = world.model.requests;
  await until('the model call', async () => (await session.info()).phase === 'one-shot' && length > 0);
};
const asked = async (session: SessionHandle): Promise<void> => {
  await session.configure({ mode: 'planning-control', approvals: { plan: true } });
  assert.equal((await session.send('write three files')).status, 'awaiting-approval');
};
const tasks = async (session: SessionHandle): Promise<unknown> => (await session.plan())?.steps.map(({ task }) => task);

/** Every call that changes a session. */
const CHANGES: Readonly<Record<string, DurableChange>> = {
  create: {
    change: (session, { copilot }) =>
      copilot.create({ id: `${session.id}-new`, user: 'ada', context: { city: 'Ulm' }, mode: 'one-shot' }),
    read: async (session, { copilot }) => {
      const made = copilot.session(`${session.id}-new`);
      const { status, user } = await made.info();
      return [status, user, (await made.context()).values];
    },
    expected: ['active', 'ada', { city: 'Ulm' }],
  },
  send: {
    change: (session) => session.send('talk', { messageId: 'the-message', wait: false }),
    read: async (session) => (await session.turns()).map(({ messageId }) => messageId),
    expected: ['the-message'],
  },
  'send, behind another': {
    prepare: talking,
    change: (session) => session.send('and now?', { messageId: 'the-message', wait: false }),
    read: async (session) => (await session.turns()).at(-1)?.messageId,
    expected: 'the-message',
  },
  unqueue: {
    prepare: async (session, world) => {
      await talking(session, world);
      await session.send('and now?', { messageId: 'taken-back', wait: false });
    },
    change: (session) => session.unqueue('taken-back'),
    read: async (session) => (await session.info()).queueLength,
    expected: 0,
  },
  interrupt: {
    prepare: talking,
    change: (session) => session.interrupt({ reason: 'enough' }),
    read: async (session) => (await session.turns()).map(({ status }) => status),
    expected: ['interrupted'],
  },
  decide: {
    prepare: asked,
    change: (session) => session.decide('req-1', 'approve', { by: 'ada' }),
    read: async (session) => (await session.decisions()).map(({ id, verdict }) => [id, verdict.decision, verdict.by]),
    expected: [['req-1', 'approve', 'ada']],
  },
  editPlan: {
    prepare: asked,
    change: (session) => session.editPlan([{ op: 'remove', step: 2 }]),
    read: tasks,
    expected: ['write a.txt', 'write c.txt'],
  },
  configure: {
    change: (session) => session.configure({ idleTimeoutMs: 77_000_000 }),
    read: async (session) => (await session.info()).config.idleTimeoutMs,
    expected: 77_000_000,
  },
  rate: {
    change: (session) => session.rate(4, { by: 'ada', comment: 'well done' }),
    read: async (session) => (await session.info()).analytics.ratings.map(({ rating, by }) => [rating, by]),
    expected: [[4, 'ada']],
  },
  save: {
    change: (session) =>
      session.save({
        conversation: [{ role: 'user', text: 'hi' }],
        context: { a: 1 },
        phase: 'planning',
        step: 2,
        plan: ['look'],
      }),
    read: async (session) => {
      const { conversation, context, phase, step, plan } = await session.load();
      return [conversation.map(({ text }) => text), context, phase, step, plan];
    },
    expected: [['hi'], { a: 1 }, 'planning', 2, ['look']],
  },
  editContext: {
    change: (session) => session.setContext('city', 'Lima'),
    read: async (session) => (await session.context()).values,
    expected: { city: 'Lima' },
  },
  snapshot: {
    change: (session) => session.snapshot('by hand'),
    read: async (session) => (await session.snapshots()).map(({ reason }) => reason),
    expected: ['by hand'],
  },
  restoreContext: {
    prepare: async (session) => {
      await session.setContext('city', 'Ulm');
      await session.snapshot('before');
      await session.setContext('city', 'Lima');
    },
    change: (session) => session.restoreContext('latest'),
    read: async (session) => (await session.context()).values,
    expected: { city: 'Ulm' },
  },
  suspend: {
    change: (session) => session.suspend({ reason: 'lunch' }),
    read: async (session) => {
      const { status, suspendReason } = await session.info();
      return [status, suspendReason];
    },
    expected: ['suspended', 'lunch'],
  },
  continue: {
    prepare: (session) => session.suspend(),
    change: (session) => session.continue(),
    read: async (session) => (await session.info()).status,
    expected: 'active',
  },
  complete: {
    change: (session) => session.complete(),
    read: async (session) => (await session.info()).status,
    expected: 'completed',
  },
  delete: {
    change: (session) => session.delete(),
    read: (session) => session.info().then(String, ({ type }: CopilotError) => type),
    expected: 'SessionNotFound',
  },
};

interface PreparedChange {
  readonly name: string;
  readonly change: () => Promise<unknown>;
  readonly check: () => Promise<void>;
}

/** Makes a session that is ready for the change. */
async function prepared(world: World, name: string, change: DurableChange): Promise<PreparedChange> {
  const { id } = await world.copilot.create({ mode: 'one-shot' });
  await change.prepare?.(world.copilot.session(id), world);
  return {
    name,
    change: () => change.change(world.copilot.session(id), world),
    check: async () => {
      const read = (): Promise<unknown> => change.read(world.copilot.session(id), world);
      // A turn that was interrupted ends, and a list forgets, a moment later.
      await until(name, async () => isDeepStrictEqual(await read(), change.expected), SETTLED_MS).catch(
        () => undefined,
      );
      assert.deepEqual(await read(), change.expected, name);
    },
  };
}
