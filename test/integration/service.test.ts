/**
 * A service whose one worker hosts sessions beside its own workflows and activities, with a data converter, an
 * interceptor and a `Runtime` of its own. Its workflows start sessions as children.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, WorkflowFailedError } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import { CopilotClient } from '../../src/client.ts';
import { packageDir } from '../../src/package-info.ts';
import { copilotPlugin } from '../../src/worker.ts';
import { installRuntime } from '../../src/worker/runtime.ts';
import { isFull, itInFull } from '../helpers/full.ts';
import { runHistories, until } from '../helpers/history.ts';
import { type ModelServer, startModelServer } from '../helpers/model-server.ts';
import { seed, seededRandom } from '../helpers/random.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../helpers/server.ts';
import { serviceDataConverter, workflowsPath } from '../helpers/service/data-converter.ts';
import type {
  askAcrossRuns,
  askApproval,
  askInVain,
  askWrongly,
  awaitEnd,
  handleOrder,
  holdSession,
} from '../helpers/service/workflows.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';

const TASK_QUEUE = 'orders';
const KILLS = isFull ? 4 : 1;
const PROGRAM = [join(packageDir, 'test/helpers/service/worker.ts')];

/** @returns the path of the service's workflows with ours, as the worker would bundle them */
async function writeBundle(folder: string): Promise<string> {
  const { payloadConverterPath = '' } = serviceDataConverter;
  const { code } = await bundleWorkflowCode({ workflowsPath, payloadConverterPath, plugins: [copilotPlugin()] });
  const path = join(folder, 'service-bundle.js');
  await writeFile(path, code);
  return path;
}

describe("sessions in a service's own worker", function () {
  this.timeout(300_000);
  let server: TestServer;
  let model: ModelServer;
  let worker: WorkerProcess;
  let client: Client;
  let copilot: CopilotClient;

  const start = (changes: Record<string, string> = {}) => {
    const env = { COPILOT_TASK_QUEUE: TASK_QUEUE, OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'test', ...changes };
    return startWorkerProcess(server, env, process.cwd(), PROGRAM);
  };

  /** With a bundle that is made once: to bundle takes longer than all else of a start. */
  let bundled: Promise<string> | undefined;
  const restart = async () => await start({ SERVICE_BUNDLE: await (bundled ??= writeBundle(server.homeDir)) });

  before(async () => {
    server = await startTestServer();
    model = await startModelServer();
    worker = await start();
    const connection = await Connection.connect({ address: server.address });
    client = new Client({ connection, dataConverter: serviceDataConverter });
    const config = isolatedConfig(server.homeDir, { COPILOT_TASK_QUEUE: TASK_QUEUE });
    copilot = await CopilotClient.connect({ config, address: server.address, dataConverter: serviceDataConverter });
  });
  beforeEach(() => playTeam(model, { answer: 'all is well' }));
  after(async () => {
    await copilot.close();
    await client.connection.close();
    await worker.kill();
    await server.stop();
    await model.close();
  });

  const begin = async (id: string) =>
    await client.workflow.start<typeof handleOrder>('handleOrder', {
      taskQueue: TASK_QUEUE,
      workflowId: id,
      args: [{ id }],
    });

  const conversationOf = async (id: string): Promise<string[]> =>
    (await copilot.session(id).transcript()).messages.map(({ text }) => text);

  it('[E05] a workflow starts a session as a child, gets its answer, continues as new, goes on with it and ends it', async () => {
    const order = await begin('order-1');
    assert.deepEqual(await order.result(), {
      replies: ['all is well', 'all is well', 'all is well'],
      status: 'completed',
      archived: 'archived order-1',
      turns: 2,
    });
    const expected = ['Check order order-1', 'all is well', 'Anything else?', 'all is well'];
    assert.deepEqual(await conversationOf('session-of-order-1'), expected);
    const { status } = await copilot.session('session-of-order-1').info();
    assert.equal(status, 'completed');
  });

  for (const moment of ['the first', 'the second'] as const) {
    itInFull(`[E05] a worker that is killed in ${moment} turn changes nothing`, async () => {
      const id = `killed-in-${moment.replace('the ', '')}`;
      const begins = moment === 'the first' ? 'Check order' : 'Anything else?';
      let isHeld = true;
      const asked = () =>
        model.requests.some(
          ({ body }) =>
            JSON.stringify(body.messages.at(-1)).includes(begins) && JSON.stringify(body.messages).includes(id),
        );
      playTeam(model, {
        answer: 'all is well',
        instead: ({ last }) => (isHeld && last.includes(begins) ? { text: 'too late', delayMs: 60_000 } : undefined),
      });
      const order = await begin(id);
      await until('the model is asked', () => Promise.resolve(asked()), 120_000);
      await worker.kill();
      isHeld = false;
      worker = await restart();
      const { replies, turns } = await order.result();
      assert.deepEqual(replies, ['all is well', 'all is well', 'all is well']);
      assert.equal(turns, 2);
      const expected = [`Check order ${id}`, 'all is well', 'Anything else?', 'all is well'];
      assert.deepEqual(await conversationOf(`session-of-${id}`), expected);
    });
  }

  it(`[E05] a worker that is killed again and again, at random moments, changes nothing (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    playTeam(model, { answer: 'all is well', instead: () => ({ text: 'all is well', delayMs: 300 }) });
    const ids = Array.from({ length: 4 }, (_, index) => `often-${index}`);
    const orders = await Promise.all(ids.map(begin));
    for (let kills = 0; kills < KILLS; kills++) {
      await sleep(random() * 2_500);
      await worker.kill();
      worker = await restart();
    }
    for (const [index, order] of orders.entries()) {
      const { replies, turns } = await order.result();
      const what = `order ${index}`;
      assert.deepEqual([replies.length, turns], [3, 2], what);
      const expected = [`Check order ${ids[index]}`, 'all is well', 'Anything else?', 'all is well'];
      assert.deepEqual(await conversationOf(`session-of-${ids[index]}`), expected, what);
    }
  });

  it('requests of such a session are in the ordinary inbox, and its workflow gets the answer in a later run', async () => {
    playTeam(model, { files: ['a.txt'], answer: 'written' });
    const asking = await client.workflow.start<typeof askApproval>('askApproval', {
      taskQueue: TASK_QUEUE,
      workflowId: 'approval',
      args: [{ id: 'approval' }],
    });
    const session = copilot.session('session-of-approval');
    let decided = 0;
    const decide = async (): Promise<boolean> => {
      const { requests } = await copilot.inbox({ user: 'service' });
      for (const { sessionId, id, options } of requests) {
        assert.equal(sessionId, session.id);
        const decision = options.includes('approve') ? 'approve' : 'continue';
        await session.decide(id, decision, { by: 'ada' }).catch(() => undefined);
        decided += 1;
      }
      return (await asking.describe()).status.name === 'COMPLETED';
    };
    await until('the workflow has its answer', decide, 120_000);
    assert.ok(decided >= 3, `${decided} decisions`);
    assert.equal(await asking.result(), 'completed: written');
    await session.complete();
  });

  it('a session that continues as new in the middle of the turn still gives its answer', async () => {
    playTeam(model, { files: ['a.txt', 'b.txt', 'c.txt', 'd.txt'], answer: 'written' });
    const options = { taskQueue: TASK_QUEUE, workflowId: 'across-runs', args: ['session-across-runs'] as [string] };
    const { status, runs } = await client.workflow.execute<typeof askAcrossRuns>('askAcrossRuns', options);
    assert.equal(status, 'completed');
    assert.ok(runs > 1, `${runs} runs`);
  });

  itInFull('a session ends with its workflow only if it was started so', async () => {
    const hold = async (id: string, policy: 'ABANDON' | 'REQUEST_CANCEL', continues: boolean) => {
      const args: Parameters<typeof holdSession> = [id, policy, continues];
      const options = { taskQueue: TASK_QUEUE, workflowId: `holds-${id}`, args };
      const handle = await client.workflow.start<typeof holdSession>('holdSession', options);
      const there = () =>
        copilot
          .session(id)
          .info()
          .then(
            () => true,
            () => false,
          );
      await until('the session is there', there, 60_000);
      return handle;
    };
    const statusOf = async (id: string) => (await copilot.session(id).info()).status;
    const cancelled = await hold('outlives-cancelled', 'ABANDON', true);
    const terminated = await hold('outlives-terminated', 'ABANDON', true);
    const ending = await hold('ends-with-it', 'REQUEST_CANCEL', false);
    await cancelled.cancel();
    await assert.rejects(cancelled.result(), WorkflowFailedError);
    await terminated.terminate();
    await ending.terminate();
    await until('the session has ended', async () => (await statusOf('ends-with-it')) === 'completed', 60_000);
    for (const id of ['outlives-cancelled', 'outlives-terminated']) {
      assert.equal(await statusOf(id), 'active');
      assert.equal((await copilot.session(id).send('Still there?')).reply, 'all is well');
    }
    await hold('ends-with-a-run', 'REQUEST_CANCEL', true);
    await until('the session has ended', async () => (await statusOf('ends-with-a-run')) === 'completed', 60_000);
  });

  it('a session that cannot be used fails the call with the type of the error', async () => {
    const ask = (what: Parameters<typeof askInVain>[0], id: string) =>
      client.workflow.execute<typeof askInVain>('askInVain', {
        taskQueue: TASK_QUEUE,
        workflowId: `in-vain-${what}-${id}`,
        args: [what, id],
      });
    assert.equal(await ask('team', 'x'), 'TeamNotFound');
    assert.equal(await ask('missing', 'x'), 'SessionNotFound');
    assert.equal(await ask('closed', 'session-of-order-1'), 'SessionClosed');
    assert.equal(await ask('id', 'session-of-order-1'), 'SessionExists');
  });

  it('a call that no session could read fails at once, with what is wrong with it', async () => {
    const said = await client.workflow.execute<typeof askWrongly>('askWrongly', {
      taskQueue: TASK_QUEUE,
      workflowId: 'wrongly',
      workflowExecutionTimeout: '30s',
    });
    assert.deepEqual(
      said.map((line) => line.split(' is not valid: ')[0]),
      [
        'InvalidInput: message',
        'InvalidInput: message',
        'InvalidInput: message',
        'InvalidInput: suspend',
        'InvalidInput: session "no id"',
      ],
    );
  });

  itInFull(
    'a workflow that waits for the end of a session hears of it, and one that comes later reads it',
    async () => {
      const session = await copilot.create({ mode: 'one-shot' });
      const wait = (workflowId: string) =>
        client.workflow.start<typeof awaitEnd>('awaitEnd', { taskQueue: TASK_QUEUE, workflowId, args: [session.id] });
      const waiting = await wait('await-end');
      await session.send('Hello');
      await session.complete();
      assert.equal(await waiting.result(), 'completed');
      assert.equal(await (await wait('await-end-later')).result(), 'completed');
    },
  );

  it('a workflow whose answer nobody can give any more is told', async () => {
    const session = await copilot.create({ mode: 'one-shot' });
    await client.workflow.getHandle(session.id).terminate('test');
    const waiting = client.workflow.execute<typeof awaitEnd>('awaitEnd', {
      taskQueue: TASK_QUEUE,
      workflowId: 'await-terminated',
      args: [session.id],
    });
    await assert.rejects(waiting, (error) => {
      assert.ok(error instanceof WorkflowFailedError && error.cause instanceof Error);
      assert.match(error.cause.message, new RegExp(`Session ${session.id} is terminated`));
      return true;
    });
  });

  itInFull('histories of both replay in a worker with the plugin', async () => {
    const options = {
      workflowsPath: join(packageDir, 'test/helpers/service/workflows.ts'),
      dataConverter: serviceDataConverter,
      plugins: [copilotPlugin()],
    };
    installRuntime(new DefaultLogger('ERROR', () => {}));
    const runs: { workflowId: string; history: unknown }[] = [];
    for (const id of ['order-1', 'session-of-order-1', 'session-across-runs', 'approval']) {
      for await (const events of runHistories(client, id)) runs.push({ workflowId: id, history: { events } });
    }
    const problems: string[] = [];
    for await (const { workflowId, error } of Worker.runReplayHistories(options, runs))
      if (error) problems.push(`${workflowId}: ${error.message}`);
    assert.ok(runs.length > 6, `${runs.length} runs`);
    assert.deepEqual(problems, []);
  });

  it('[E04] keep the Runtime, data converter, interceptors, activities and process of the service as they are', async () => {
    assert.equal(await worker.stop(), 0);
    const log = worker.log();
    assert.match(log, /service log: /);
    assert.match(log, /intercepted true, runtime kept true/);
    assert.match(log, /listeners kept true, environment kept true/);
    // What is stored is written by the service's own converter and codec.
    const { events = [] } = await client.workflow.getHandle('session-of-order-1').fetchHistory();
    const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    assert.equal(Buffer.from(payload?.metadata?.['encoding'] ?? []).toString(), 'service/reversed');
    assert.throws(() => JSON.parse(Buffer.from(payload?.data ?? []).toString()));
    worker = await restart();
  });
});
