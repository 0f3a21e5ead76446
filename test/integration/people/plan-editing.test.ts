/** Changing a plan while it is worked off. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PlanEdit, SessionConfig, SessionHandle, TurnView } from '../../../src/client.ts';
import { fails } from '../../helpers/client.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling, done } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { playTeam, readCall } from '../../helpers/team-script.ts';
import { itInFull } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const FILES = ['a.txt', 'b.txt', 'c.txt', 'd.txt'];

describe('editing a plan', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: {} });
  });
  after(() => world.stop());

  /** A plan of four steps, suspended in the middle of its second. */
  async function suspendedInSecond(): Promise<[SessionHandle, TurnView]> {
    const suspended = Promise.withResolvers<void>();
    playTeam(world.model, {
      files: FILES,
      instead: ({ task, lastRole }) =>
        task === 'write b.txt' && lastRole === 'user'
          ? { ...calling(['write_file', { path: 'b.txt', content: 'I am b.txt\n' }]), after: suspended.promise }
          : undefined,
    });
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write four files', { wait: false });
    await until('the second step runs', async () => (await statuses(session))[1] === 'in-progress');
    await session.suspend();
    suspended.resolve();
    playTeam(world.model, { files: FILES });
    return [session, turn];
  }

  async function planned(config: SessionConfig): Promise<[SessionHandle, TurnView]> {
    playTeam(world.model, { files: FILES });
    const session = await world.copilot.create({ mode: 'planning-control', config });
    return [session, await session.send('write four files')];
  }

  const lines = async (session: SessionHandle): Promise<string[]> =>
    (await session.plan())?.steps.map(({ number, agent, task, status }) => `${number} ${agent}: ${task} (${status})`) ??
    [];
  const statuses = async (session: SessionHandle) => (await session.plan())?.steps.map(({ status }) => status) ?? [];
  const exists = (session: SessionHandle, file: string): boolean =>
    existsSync(join(world.server.homeDir, 'workspaces', session.id, file));
  /** Steps that the model was given, by the task of their brief. */
  const begun = (from: number): string[] =>
    world.model.requests
      .slice(from)
      .map(({ body }) => readCall(body))
      .flatMap(({ phase, task, lastRole }) => (phase === 'step' && lastRole === 'user' ? [task] : []));

  describe('[T06]', () => {
    it('steps that have not run are added, removed, moved and given to others; then they run so', async () => {
      const [session, turn] = await suspendedInSecond();
      const from = world.model.requests.length;
      const plan = await session.editPlan([
        { op: 'add', at: 3, agent: 'writer', task: 'write new.txt', notes: 'in between' },
        { op: 'remove', step: 4 },
        { op: 'move', step: 4, to: 3 },
        { op: 'change', step: 4, agent: 'engineer', task: 'write other.txt' },
        { op: 'add', at: 5, agent: 'writer', task: 'write last.txt' },
      ]);
      const expected = [
        ['engineer', 'write a.txt'],
        ['engineer', 'write b.txt'],
        ['engineer', 'write d.txt'],
        ['engineer', 'write other.txt'],
        ['writer', 'write last.txt'],
      ] as const;
      assert.deepEqual(
        plan.steps.map(({ number, agent, task }) => [number, agent, task]),
        expected.map(([agent, task], index) => [index + 1, agent, task]),
      );
      assert.equal(plan.steps[3]?.notes, 'in between');
      assert.equal(plan.version, (await session.info()).version);
      await session.continue();
      const ended = await session.awaitTurn(turn.id);
      assert.equal(ended.status, 'completed');
      assert.deepEqual(
        await lines(session),
        expected.map(([agent, task], index) => `${index + 1} ${agent}: ${task} (completed)`),
      );
      assert.deepEqual(begun(from).slice(-3), ['write d.txt', 'write other.txt', 'write last.txt']);
      assert.deepEqual(
        ['a.txt', 'b.txt', 'c.txt', 'd.txt', 'new.txt', 'other.txt', 'last.txt'].map((file) => exists(session, file)),
        [true, true, false, true, false, true, true],
      );
    });

    it('suspended between two steps, the next one has not begun, and may be removed', async () => {
      const [asked, suspended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      playTeam(world.model, {
        files: FILES,
        instead: ({ task, lastRole }) => {
          if (task !== 'write b.txt' || lastRole !== 'tool') return undefined;
          asked.resolve();
          return { ...done(), after: suspended.promise };
        },
      });
      const session = await world.copilot.create({ mode: 'planning-control' });
      const turn = await session.send('write four files', { wait: false });
      // The second step is in its last call.
      await asked.promise;
      await session.suspend();
      suspended.resolve();
      await until('the second step ends', async () => (await statuses(session))[1] === 'completed');
      assert.deepEqual(await statuses(session), ['completed', 'completed', 'pending', 'pending']);
      await session.editPlan([{ op: 'remove', step: 3 }]);
      await session.continue();
      assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
      assert.deepEqual(
        FILES.map((file) => exists(session, file)),
        [true, true, false, true],
      );
    });

    it('restarts a plan in the middle: that step and all after it run again', async () => {
      const [session, turn] = await suspendedInSecond();
      const from = world.model.requests.length;
      const plan = await session.editPlan([{ op: 'restart', step: 1 }]);
      assert.equal(plan.turnId, turn.id);
      await session.continue();
      assert.equal((await session.awaitTurn(turn.id)).status, 'completed');
      assert.deepEqual(
        begun(from),
        FILES.map((file) => `write ${file}`),
      );
      assert.deepEqual(await statuses(session), Array(4).fill('completed'));
    });

    itInFull('restarts a plan that has ended, at a step that was changed before, in one call', async () => {
      const [session, { id, status }] = await planned({});
      assert.equal(status, 'completed');
      const from = world.model.requests.length;
      await session.editPlan([
        { op: 'add', at: 5, agent: 'writer', task: 'write e.txt' },
        { op: 'restart', step: 4 },
      ]);
      const ended = await until('the turn has ended again', async () => {
        const turn = await session.awaitTurn(id);
        return turn.steps.length === 5 && turn.status === 'completed' ? turn : undefined;
      });
      assert.deepEqual(begun(from), ['write d.txt', 'write e.txt']);
      assert.deepEqual([ended.number, ended.steps.map((step) => step.status)], [1, Array(5).fill('completed')]);
      assert.equal((await session.info()).turns, 1);
    });

    itInFull('changes a failed plan, which continue takes up', async () => {
      playTeam(world.model, {
        files: FILES,
        instead: ({ phase, task }) =>
          phase === 'step' && task === 'write c.txt'
            ? calling(['report_step', { status: 'failed', summary: 'cannot' }])
            : undefined,
      });
      const session = await world.copilot.create({ mode: 'planning-control' });
      const failed = await session.send('write four files');
      assert.deepEqual([failed.status, failed.error?.type], ['failed', 'StepFailed']);
      const from = world.model.requests.length;
      await session.editPlan([{ op: 'change', step: 3, task: 'write instead.txt' }]);
      await session.continue();
      assert.equal((await session.awaitTurn(failed.id)).status, 'completed');
      assert.deepEqual(begun(from), ['write instead.txt', 'write d.txt']);
    });

    itInFull('changes a plan that waits for approval, and steps after the one that is asked about', async () => {
      const [session, turn] = await planned({ approvals: { plan: true, beforeStep: true } });
      await session.editPlan([{ op: 'remove', step: 4 }]);
      await session.decide((await nextRequest(session)).id, 'approve');
      await session.awaitTurn(turn.id);
      const { id, step } = await nextRequest(session);
      assert.equal(step, 1);
      const asked = new RegExp(`request ${id} waits about it; decide that first`);
      const refused: PlanEdit[] = [
        { op: 'add', at: 1, agent: 'writer', task: 'write first.txt' },
        { op: 'remove', step: 1 },
        { op: 'move', step: 2, to: 1 },
        { op: 'change', step: 1, task: 'write x.txt' },
      ];
      for (const edit of refused) await fails(session.editPlan([edit]), 'InvalidInput', asked);
      await session.editPlan([{ op: 'move', step: 2, to: 3 }]);
      for (const file of ['a.txt', 'c.txt', 'b.txt']) {
        const request = await nextRequest(session);
        assert.match(request.question, new RegExp(file.replace('.', '\\.')));
        await session.decide(request.id, 'approve');
        await session.awaitTurn(turn.id);
      }
      assert.deepEqual(
        await lines(session),
        ['a.txt', 'c.txt', 'b.txt'].map((file, index) => `${index + 1} engineer: write ${file} (completed)`),
      );
    });

    it('refuses what cannot be, names it, and changes nothing, not even in part', async () => {
      const [session] = await suspendedInSecond();
      const before = await lines(session);
      const { version } = await session.info();
      const add = { op: 'add', at: 3, agent: 'writer', task: 'write new.txt' } as const;
      const refused: [PlanEdit, RegExp][] = [
        [{ op: 'change', step: 1, task: 'x' }, /step 1 .*it is completed; only steps that have not run can change/],
        [{ op: 'remove', step: 2 }, /step 2 .*it is in-progress/],
        [{ ...add, at: 2 }, /step 2 .*a later step has begun already/],
        [{ op: 'move', step: 4, to: 1 }, /step 1 .*it is completed/],
        [{ op: 'remove', step: 9 }, /step 9 .*the plan has 5 steps/],
        [{ ...add, at: 9 }, /step 9 .*the plan has 5 steps/],
        [{ ...add, agent: 'nobody' }, /agent "nobody" .*the team has .*engineer/],
        [{ op: 'restart', step: 12 }, /step 12 /],
      ];
      for (const [edit, problem] of refused) await fails(session.editPlan([add, edit]), 'InvalidInput', problem);
      await fails(session.editPlan([]), 'InvalidInput', /edits/);
      assert.deepEqual(await lines(session), before);
      assert.equal((await session.info()).version, version);
      const idle = await world.copilot.create({ mode: 'one-shot' });
      await fails(idle.editPlan([add]), 'WrongState', /in the middle of a plan; this one is without one/);
      await session.continue();
    });
  });

  it('[S06] a stale version on save, editContext or editPlan is a conflict with both versions, and changes nothing', async () => {
    const [planned] = await suspendedInSecond();
    const idle = await world.copilot.create({ mode: 'one-shot', context: { a: 1 } });
    const saved = { conversation: [], context: { a: 3 }, phase: 'saved', step: 1 };
    const changes: [SessionHandle, (expectedVersion: number) => Promise<{ readonly version: number }>][] = [
      [planned, (expectedVersion) => planned.editPlan([{ op: 'remove', step: 3 }], { expectedVersion })],
      [planned, (expectedVersion) => planned.setContext('a', expectedVersion, { expectedVersion })],
      [idle, (expectedVersion) => idle.save(saved, { expectedVersion })],
    ];
    for (const [session, change] of changes) {
      const { version } = await session.info();
      assert.equal((await change(version)).version, version + 1);
      const before = [await session.plan(), await session.load(), await session.changes()];
      const error = await fails(
        change(version),
        'VersionConflict',
        new RegExp(`version ${version + 1}, not ${version}`),
      );
      assert.deepEqual(error.details, { expected: version, actual: version + 1 });
      assert.equal(error.exitCode, 4);
      assert.deepEqual([await session.plan(), await session.load(), await session.changes()], before);
    }
  });
});
