/** What operators do by hand: resets, terminations, pauses, schedules with garbage, many sessions at once, a full archive. */
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ScheduleOverlapPolicy } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { SessionHandle } from '../../src/client.ts';
import { itInFull } from '../helpers/full.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const NAMESPACE = 'default';

describe('what operators do', function () {
  this.timeout(300_000);
  let world: World;
  let env: Record<string, string>;

  before(async () => {
    world = await startWorld();
    env = programEnvironment(world.server);
    playTeam(world.model);
  });
  after(() => world.stop());

  /** `temporal workflow reset` to the task in the middle. @returns the run that it ended */
  async function reset(id: string): Promise<string> {
    const handle = world.temporal.workflow.getHandle(id);
    const { runId } = await handle.describe();
    const { events } = await handle.fetchHistory();
    const tasks = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
    const at = tasks[Math.floor(tasks.length / 2)]?.eventId;
    await world.temporal.workflowService.resetWorkflowExecution({
      namespace: NAMESPACE,
      workflowExecution: { workflowId: id, runId },
      reason: 'by hand',
      requestId: runId,
      ...(at ? { workflowTaskFinishEventId: at } : {}),
    });
    return runId;
  }

  const listed = async (user: string): Promise<string[]> =>
    (await world.copilot.list({ user })).sessions.map(({ id, status }) => `${id} ${status}`);

  it('[R16] a reset leaves one session in lists and counts, which says what happened, goes on, and can be deleted', async () => {
    const session = await world.copilot.create({ user: 'reset' });
    await session.send('greet one');
    await session.send('greet two');
    const old = [await reset(session.id)];
    await until('the second run', async () => ((await session.turns()).length === 2 ? true : undefined));
    old.push(await reset(session.id));
    await until('all runs in the list', async () => {
      const { count } = await world.temporal.workflow.count(`WorkflowId = '${session.id}'`);
      return count === 3 ? true : undefined;
    });
    await until('one row', async () => ((await listed('reset'))[0] === `${session.id} active` ? true : undefined));
    assert.deepEqual(await listed('reset'), [`${session.id} active`]);
    assert.equal(await world.copilot.count({ user: 'reset' }), 1);
    assert.equal(await world.copilot.count({ user: 'reset', status: 'terminated' }), 0);
    const { outsideActs } = await session.info();
    assert.deepEqual(
      outsideActs.map(({ kind }) => kind),
      ['reset'],
    );
    assert.match((await runCli(['show', session.id], env)).stdout, /reset: the workflow was reset.*were made twice/);
    assert.equal((await session.send('greet three')).status, 'completed');
    await session.complete();
    assert.deepEqual(await listed('reset'), [`${session.id} completed`]);
    await session.delete();
    assert.deepEqual(await listed('reset'), []);
    for (const runId of old) {
      await assert.rejects(world.temporal.workflow.getHandle(session.id, runId).describe());
    }
  });

  it('[R16] a terminated session says by whom and why, and what to do; a cancelled one is completed with a note', async () => {
    const session = await world.copilot.create({ user: 'ended' });
    await session.send('greet');
    await world.temporal.workflow.getHandle(session.id).terminate('disk is full');
    const { status, outsideActs } = await session.info();
    assert.deepEqual(
      [status, outsideActs[0]?.kind, outsideActs[0]?.reason],
      ['terminated', 'terminated', 'disk is full'],
    );
    const { stdout } = await runCli(['show', session.id], env);
    assert.match(stdout, /terminated by \S+: disk is full\. .*copilot fork ses_/);
    assert.equal((await (await session.fork()).send('greet again')).status, 'completed');
    const cancelled = await world.copilot.create({ user: 'ended' });
    await world.temporal.workflow.getHandle(cancelled.id).cancel();
    await until('the end', async () => ((await cancelled.describe()).isClosed ? true : undefined));
    const info = await cancelled.info();
    assert.equal(info.status, 'completed');
    assert.match(info.notes.at(-1)?.text ?? '', /cancelled from outside/);
  });

  it('[R16] a schedule that starts the type with garbage leaves failed sessions that say so and can be deleted', async () => {
    const schedule = await world.temporal.schedule.create({
      scheduleId: 'garbage',
      spec: {},
      policies: { overlap: ScheduleOverlapPolicy.ALLOW_ALL },
      action: {
        type: 'startWorkflow',
        workflowType: 'copilotSession',
        workflowId: 'nightly',
        taskQueue: 'copilot',
        args: [42, 'x'],
      },
    });
    await schedule.trigger();
    const row = await until('the failed session', async () =>
      (await world.copilot.list({ status: 'failed' })).sessions.find(({ id }) => id.startsWith('nightly')),
    );
    await schedule.delete();
    assert.match(row.id, /:/);
    const shown = await runCli(['show', row.id], env);
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /Status +failed/);
    assert.match(shown.stdout, /failed: Input of the workflow is not valid.*schedule.*copilot delete nightly/);
    assert.equal((await runCli(['delete', row.id, '--yes'], env)).code, 0);
    await fails(world.copilot.session(row.id).describe(), 'SessionNotFound', /nightly/);
  });

  it('[R16] a call that somebody paused is shown as paused, with the command that goes on', async () => {
    let isAway = true;
    playTeam(world.model, { instead: () => (isAway ? { status: 503 } : undefined) });
    const session = await world.copilot.create({ mode: 'one-shot' });
    await session.send('greet', { wait: false });
    const call = await until('a failed attempt', async () =>
      (await session.describe()).pendingCalls.find(({ lastError }) => lastError !== null),
    );
    const execution = { workflowId: session.id };
    await world.temporal.workflowService.pauseActivity({
      namespace: NAMESPACE,
      execution,
      id: call.id,
      identity: 'olga',
      reason: 'quota',
    });
    assert.equal((await session.describe()).pendingCalls[0]?.paused, 'by olga: quota');
    assert.match(
      (await runCli(['show', session.id], env)).stdout,
      /⏸ turn-1\S*: paused by olga: quota\. It waits for: temporal activity unpause/,
    );
    await world.temporal.workflowService.unpauseActivity({ namespace: NAMESPACE, execution, id: call.id });
    isAway = false;
    assert.equal((await session.awaitTurn('turn-1')).status, 'completed');
  });

  it('[R15] a session that cannot be archived stays open and says so, and is archived without a torn file when it can', async function () {
    const archive = join(world.server.homeDir, 'archive');
    const session = await world.copilot.create({ user: 'archive' });
    await session.send('greet');
    await mkdir(archive, { recursive: true });
    // What a worker leaves that is killed while it writes.
    const torn = join(archive, `${session.id}.json.0.part`);
    await writeFile(torn, '{"half');
    // A folder in the place of the file fails for root, too.
    const place = join(archive, `${session.id}.json`);
    await mkdir(join(place, 'in-the-way'), { recursive: true });
    const { status, archiveProblem } = await session.complete();
    assert.equal(status, 'completed');
    assert.match(archiveProblem ?? '', /^The archive \S+ cannot be used \(E.*tried again/);
    assert.equal((await session.describe()).isClosed, false);
    assert.deepEqual(await listed('archive'), [`${session.id} completed`]);
    assert.equal(await world.copilot.count({ user: 'archive', status: 'completed' }), 1);
    const shown = await runCli(['show', session.id], env);
    assert.match(shown.stdout, /↻ \S+: attempt \d+ .*ArchiveUnavailable/);
    const again = await runCli(['complete', session.id], env);
    assert.match(again.stdout, /is completed.*\n! Not archived yet: The archive/);
    await rm(place, { recursive: true });
    await until('the archive', async () => ((await session.describe()).isClosed ? true : undefined));
    const files = (await readdir(archive)).filter((name) => name.startsWith(session.id));
    assert.deepEqual(files, [`${session.id}.json`]);
    await session.delete();
  });

  itInFull('one command changes many sessions after a yes, reports each, and fails if one did', async () => {
    const sessions: SessionHandle[] = [];
    for (let i = 0; i < 5; i++) sessions.push(await world.copilot.create({ user: 'many' }));
    const all = ['--all', '--user', 'many'];
    await until('all in the list', async () =>
      (await world.copilot.count({ user: 'many', status: 'active' })) === 5 ? true : undefined,
    );
    const refused = await runCli(['suspend', ...all], env);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /suspend 5 sessions is not valid: confirm with --yes/);
    const suspended = await runCli(['suspend', ...all, '--yes', '--json'], env);
    const reports = JSON.parse(suspended.stdout) as { sessionId: string; ok: boolean; status: string }[];
    assert.deepEqual(
      [suspended.code, reports.length, new Set(reports.map(({ status }) => status))],
      [0, 5, new Set(['suspended'])],
    );
    await until('the list', async () =>
      (await world.copilot.count({ user: 'many', status: 'suspended' })) === 5 ? true : undefined,
    );
    // Messages are refused while a session is suspended, so it does what it can and says what it could not.
    const steered = await runCli(['steer', ...all, '--status', 'active', 'greet', '--yes'], env);
    assert.match(steered.stdout, /No session matches/);
    const rated = await runCli(['rate', ...all, '7', '--yes'], env);
    assert.equal(rated.code, 1);
    assert.match(rated.stdout, /ses_\S+: failed: .*\nrate: 0 done, 5 failed\n$/s);
    const continued = await runCli(['continue', ...all, '--status', 'suspended', '--yes'], env);
    assert.match(continued.stdout, /continue: 5 done, 0 failed/);
    const forked = await runCli(['fork', ...all, '--yes', '--json'], env);
    const forks = JSON.parse(forked.stdout) as { sessionId: string; from: string }[];
    assert.deepEqual(new Set(forks.map(({ from }) => from)), new Set(sessions.map(({ id }) => id)));
    await until('forks in the list', async () =>
      (await world.copilot.count({ user: 'many' })) === 10 ? true : undefined,
    );
    const deleted = await runCli(['delete', ...all, '--yes'], env);
    assert.match(deleted.stdout, /delete: 10 done, 0 failed/);
    assert.equal(await world.copilot.count({ user: 'many' }), 0);
    for (const args of [['complete'], ['complete', 'ses_1', '--all'], ['complete', 'ses_1', '--user', 'x']]) {
      assert.equal((await runCli(args, env)).code, 2, args.join(' '));
    }
  });

  itInFull(
    'interrupt, steer and complete take many sessions, and pass over those that they cannot change',
    async () => {
      playTeam(world.model, { answer: 'word '.repeat(10_000), wordDelayMs: 50 });
      const all = ['--all', '--user', 'busy', '--yes'];
      const sessions: SessionHandle[] = [];
      for (let i = 0; i < 3; i++) sessions.push(await world.copilot.create({ mode: 'one-shot', user: 'busy' }));
      const [idle] = sessions;
      const busy = sessions.slice(1);
      const begin = async (): Promise<void> => {
        const { length } = world.model.requests;
        for (const session of busy) await session.send('talk', { wait: false });
        await until('both calls', async () => (world.model.requests.length >= length + busy.length ? true : undefined));
      };
      await until('all in the list', async () =>
        (await world.copilot.count({ user: 'busy' })) === 3 ? true : undefined,
      );
      await begin();
      const refused = await runCli(['interrupt', '--all', '--user', 'busy'], env);
      assert.deepEqual(
        [refused.code, /interrupt 3 sessions is not valid: confirm with --yes/.test(refused.stderr)],
        [2, true],
      );
      const interrupted = await runCli(['interrupt', ...all, '--json'], env);
      const reports = JSON.parse(interrupted.stdout) as { sessionId: string; ok: boolean; changed: boolean }[];
      assert.deepEqual(
        reports.map(({ sessionId, ok, changed }) => [sessionId, ok, changed]).toSorted(),
        sessions.map(({ id }) => [id, true, id !== idle?.id]).toSorted(),
      );
      for (const session of busy) assert.equal((await session.awaitTurn('turn-1')).status, 'interrupted');

      await begin();
      playTeam(world.model, { answer: 'steered' });
      const steered = await runCli(['steer', ...all, 'say this instead'], env);
      assert.equal(steered.code, 0, steered.stderr);
      assert.match(steered.stdout, /steer: 3 done, 0 failed\n$/);
      assert.equal(steered.stdout.match(/: its turn was stopped\n/g)?.length, 2);
      for (const session of busy) {
        assert.equal((await session.awaitTurn('turn-2')).status, 'interrupted');
        assert.deepEqual(await session.awaitTurn('turn-3').then(({ status, reply }) => [status, reply]), [
          'completed',
          'steered',
        ]);
      }

      await busy[0]?.complete();
      const completed = await runCli(['complete', ...all], env);
      assert.deepEqual(
        [completed.code, completed.stdout.endsWith('complete: 2 done, 0 failed\n')],
        [0, true],
        completed.stdout,
      );
      for (const session of sessions) assert.equal((await session.info()).status, 'completed');
    },
  );

  itInFull('[R16] one command of the server signals many sessions; they note a garbled one, and go on', async () => {
    playTeam(world.model, { answer: 'hello' });
    const sessions: SessionHandle[] = [];
    for (let i = 0; i < 3; i++) sessions.push(await world.copilot.create({ mode: 'one-shot', user: 'batch' }));
    await until('all in the list', async () =>
      (await world.copilot.count({ user: 'batch' })) === 3 ? true : undefined,
    );
    const signal = async (name: string, input?: unknown): Promise<void> => {
      const jobId = `${name}-${Math.random()}`;
      const payloads = input === undefined ? [] : [defaultPayloadConverter.toPayload(input)];
      await world.temporal.workflowService.startBatchOperation({
        namespace: NAMESPACE,
        jobId,
        visibilityQuery: "CopilotUser = 'batch' AND ExecutionStatus = 'Running'",
        reason: 'maintenance',
        signalOperation: { signal: name, input: { payloads }, identity: 'olga' },
      });
      await until('the end of the batch', async () => {
        const job = await world.temporal.workflowService.describeBatchOperation({ namespace: NAMESPACE, jobId });
        return Number(job.completeOperationCount) === sessions.length ? true : undefined;
      });
    };
    const statuses = async (): Promise<string[]> =>
      await Promise.all(sessions.map(async (session) => (await session.info()).status));
    await signal('suspend', { reason: 'maintenance' });
    assert.deepEqual(await statuses(), ['suspended', 'suspended', 'suspended']);
    assert.equal((await sessions[0]?.info())?.suspendReason, 'maintenance');
    for (const [name, input] of [
      ['continue', 42],
      ['suspend', { now: 'perhaps' }],
      ['halt', {}],
    ] as const) {
      await signal(name, input);
      for (const session of sessions) {
        const { status, notes } = await session.info();
        assert.deepEqual(
          [status, notes.at(-1)?.text.startsWith(`Signal "${name}" was ignored: `)],
          ['suspended', true],
        );
      }
    }
    await signal('continue', { message: 'are you there?' });
    for (const session of sessions) {
      const { status, reply } = await session.awaitTurn('turn-1');
      assert.deepEqual([status, reply], ['completed', 'hello']);
      await session.delete();
    }
  });

  it('a session is named by its first message, unless somebody named it, and no question for a team is left behind', async () => {
    const text = 'Please summarise the quarterly report of the northern sales region, and be brief about it';
    const named = await world.copilot.create({ user: 'names', message: text });
    assert.equal((await named.info()).name, 'Please summarise the quarterly report of the northern sales…');
    const later = await world.copilot.create({ user: 'names' });
    assert.match((await later.info()).name, /^copilot_\d{8}_\d{6}$/);
    await later.send('greet me');
    assert.equal((await later.info()).name, 'greet me');
    await until('the list', async () =>
      (await world.copilot.count({ user: 'names', name: 'greet me' })) === 1 ? true : undefined,
    );
    const own = await world.copilot.create({ user: 'names', name: 'mine', message: 'greet' });
    assert.equal((await own.info()).name, 'mine');
    await until('no question', async () => {
      const { count } = await world.temporal.workflow.count("WorkflowType = 'copilotResolveTeam'");
      return count === 0 ? true : undefined;
    });
  });

  itInFull(
    'deletes many sessions at once, open ones and such as have just ended, none waiting for another',
    async () => {
      const sessions = await Promise.all(Array.from({ length: 12 }, () => world.copilot.create({ user: 'gone' })));
      for (const session of sessions.slice(6)) await session.complete();
      const signal = AbortSignal.timeout(30_000);
      await Promise.all(sessions.map((session) => session.delete({ signal })));
      assert.deepEqual(await listed('gone'), []);
    },
  );
});
