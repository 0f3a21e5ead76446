/** The client library while workers or server are away, or it is closed itself. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotClient, CopilotError, type SessionHandle, type TurnView } from '../../src/client.ts';
import { collect, fails, isTurnEnd, screen } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

/** The longest between two attempts of a worker to reach a server that was away. */
const SDK_PAUSE_MS = 12_000;

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
    const done = await world.copilot.create({ mode: 'one-shot', user: 'alone' });
    await done.send('first and last');
    await done.complete();
    await world.workers[0]?.kill();
    await world.server.kill();

    const sent = sendPatiently(session, 'are you there?');
    const follower = collect(session, isTurnEnd, 0);
    await sleep(1_500);
    await world.server.restart();
    const info = await done.info();
    assert.deepEqual([info.status, info.turns], ['completed', 1]);
    assert.equal((await world.copilot.list({ user: 'alone' })).sessions.length, 1);
    await world.startWorker();
    assert.deepEqual([(await sent).status, (await sent).reply], ['completed', 'here again']);
    assert.equal(screen(await follower), 'here again');
    assert.equal((await session.info()).turns, 1);
  });

  /** On a busy machine a worker may take longer to start than one send waits for any worker. */
  async function sendPatiently(session: SessionHandle, text: string): Promise<TurnView> {
    for (;;) {
      try {
        return await session.send(text, { messageId: 'patient' });
      } catch (error) {
        if (!(error instanceof CopilotError && error.type === 'NoWorker')) throw error;
      }
    }
  }

  itInFull(
    '[R11] waits for workers that come back seconds after the server does, as the SDK has them pause',
    async () => {
      playTeam(world.model, { answer: 'here I am' });
      // A busy machine adds to the pause of a worker, perhaps beyond what clients wait. The next round takes that off.
      for (let pauseMs = SDK_PAUSE_MS, round = 1; ; round++) {
        const { backMs, calls } = await afterRestart(pauseMs);
        if (backMs > SDK_PAUSE_MS && calls.some(({ status }) => status === 'rejected')) {
          assert.ok(round < 4, `the worker was back after ${backMs} ms, resumed after ${pauseMs} ms`);
          pauseMs = Math.max(0, SDK_PAUSE_MS - (backMs - pauseMs));
          continue;
        }
        const values = calls.map((call) =>
          call.status === 'fulfilled' ? call.value : assert.fail(String(call.reason)),
        );
        return assert.deepEqual(values, [0, 'here I am', 'active']);
      }
    },
  );

  /** Calls that begin when the server is back. The worker goes on `pauseMs` later; `backMs` is when it answers. */
  async function afterRestart(
    pauseMs: number,
  ): Promise<{ backMs: number; calls: PromiseSettledResult<number | string>[] }> {
    const asked = await world.copilot.create({ mode: 'one-shot' });
    const told = await world.copilot.create({ mode: 'one-shot' });
    const { pid } = world.workers.at(-1) ?? {};
    assert.ok(pid !== undefined);
    process.kill(pid, 'SIGSTOP');
    await world.server.restart();
    const startedAt = Date.now();
    const created = async (): Promise<string> =>
      (await (await world.copilot.create({ team: 'data-analysis' })).info()).status;
    const calls = Promise.allSettled([
      asked.info().then(({ turns }) => turns),
      told.send('are you there?').then(({ reply }) => reply),
      created(),
    ]);
    await sleep(pauseMs);
    process.kill(pid, 'SIGCONT');
    const handle = world.temporal.workflow.getHandle(told.id);
    const answers = (): Promise<unknown> => handle.query('__temporal_workflow_metadata').catch(() => undefined);
    await until('an answer of the worker', answers, 60_000);
    const backMs = Date.now() - startedAt;
    return { backMs, calls: await calls };
  }

  itInFull(
    'waits for a turn that takes longer than its patience with an absent server, and through a restart of that',
    async () => {
      const answer = Array.from({ length: 30 }, (_, n) => `word${n} `).join('');
      playTeam(world.model, { answer, wordDelayMs: 500 });
      const session = await world.copilot.create({ mode: 'one-shot' });
      const sent = session.send('take your time', { retryForMs: 8_000 });
      await sleep(12_000);
      await world.server.restart();
      const turn = await sent;
      assert.deepEqual([turn.status, turn.reply], ['completed', answer]);
    },
  );

  it('says that no worker answers, and leaves nothing running', async () => {
    const { homeDir, address } = world.server;
    const session = await world.copilot.create({ mode: 'one-shot' });
    const lonely = await CopilotClient.connect({
      config: isolatedConfig(homeDir, { COPILOT_TASK_QUEUE: 'deserted' }),
      address,
    });
    const startedAt = Date.now();
    await fails(
      lonely.create(),
      'NoWorker',
      /No worker answers on task queue "deserted". Start one with `copilot worker`/,
    );
    assert.ok(Date.now() - startedAt < 60_000);
    await until('the question is closed', async () => {
      const { count } = await world.temporal.workflow.count(
        "WorkflowType = 'copilotResolveTeam' AND ExecutionStatus = 'Running'",
      );
      return count === 0;
    });
    await lonely.close();

    await Promise.all(world.workers.map((worker) => worker.kill()));
    await Promise.all([
      fails(session.info(), 'NoWorker', /No worker answers/),
      fails(session.send('hello', { retryForMs: 1_000 }), 'NoWorker', /No worker answers/),
    ]);
  });

  it('ends what is under way when it is closed, and the program goes on', async () => {
    const { homeDir, address } = world.server;
    const client = await CopilotClient.connect({ config: isolatedConfig(homeDir), address });
    const session = client.session('any');
    await world.server.kill();
    const calls = [session.send('hello'), ...Array.from({ length: 8 }, () => session.info())];
    const ended = Promise.all(
      calls.map((call) => fails(call, 'InvalidInput', /its client is closed; connect another/)),
    );
    await sleep(500);
    await client.close();
    await ended;
    // Whatever was to be tried again has been: an error that nobody catches would fail this test.
    await sleep(3_000);
    await world.server.restart();
    await world.reconnect();
  });

  it('says within seconds that no server answers', async () => {
    const config = isolatedConfig(world.server.homeDir, { TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const startedAt = Date.now();
    await fails(
      CopilotClient.connect({ config }),
      'ServerUnreachable',
      /No Temporal server answers at 127\.0\.0\.1:1.*copilot dev/,
    );
    assert.ok(Date.now() - startedAt < 30_000);

    const session = world.copilot.session('any');
    await world.server.kill();
    await Promise.all([
      fails(session.send('hello', { retryForMs: 2_000 }), 'ServerUnreachable', /No Temporal server answers/),
      fails(session.info(), 'ServerUnreachable', /No Temporal server answers/),
    ]);
  });
});
