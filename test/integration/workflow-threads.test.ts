/** The threads of `copilot worker` that run workflow code. Real server and worker processes. */
import assert from 'node:assert/strict';
import { itInFull } from '../helpers/full.ts';
import { until } from '../helpers/history.ts';
import { PROGRAM } from '../helpers/program.ts';
import { playTeam } from '../helpers/team-script.ts';
import { startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const QUERY = '__stack_trace';

describe('threads for workflow code', function () {
  this.timeout(240_000);
  let world: World;

  before(async () => (world = await startWorld({ workers: 0 })));
  after(() => world.stop());

  /** @returns the `Call Stack` of the Web UI, of a session after its turn, and what its worker logged */
  async function turnWith(env: Record<string, string>, nodeOptions: readonly string[] = []): Promise<Call> {
    const variables = { OPENAI_BASE_URL: world.model.baseUrl, OPENAI_API_KEY: 'test', ...env };
    const program = [...nodeOptions, ...PROGRAM, 'worker'];
    const worker: WorkerProcess = await startWorkerProcess(world.server, variables, process.cwd(), program);
    try {
      playTeam(world.model, { answer: 'hello' });
      const session = await world.copilot.create({ mode: 'one-shot' });
      assert.equal((await session.send('hi')).reply, 'hello');
      const handle = world.temporal.workflow.getHandle(session.id);
      return await until('an answer', () =>
        handle.query<string>(QUERY).then((stack) => ({ stack, log: worker.log() })),
      );
    } finally {
      await worker.kill();
    }
  }

  it('take no stacks of promises, which costs nothing', async () => {
    const { stack, log } = await turnWith({});
    assert.equal(stack, '');
    assert.doesNotMatch(log, /promiseHooks/);
  });

  itInFull('take them with COPILOT_PROMISE_STACKS=1', async () => {
    assert.match((await turnWith({ COPILOT_PROMISE_STACKS: '1' })).stack, /at .*loop/);
  });

  itInFull('run in a process with options of V8, which Node takes for processes only', async () => {
    const { stack } = await turnWith({}, ['--max-old-space-size=1024', '--stack-trace-limit=20']);
    assert.equal(stack, '');
  });
});

interface Call {
  readonly stack: string;
  readonly log: string;
}
