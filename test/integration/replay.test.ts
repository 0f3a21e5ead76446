/** `copilot replay`: sessions of a real server on the present workflow code, and one that does not fit it. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import type { Replayed } from '../../src/worker/bundle/replay.ts';
import { installRuntime } from '../../src/worker/runtime.ts';
import { suspend } from '../../src/contracts/messages.ts';
import { runCli } from '../helpers/cli.ts';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('[R07] replay', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const replay = async (...args: string[]) => await runCli(['replay', ...args], programEnvironment(world.server));

  it('says of each session, open or closed, whether it goes on, without a worker; exit code 1 where one does not', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const open = await world.copilot.create({ id: 'open', config: { historyLimit: 40 } });
    for (let turn = 0; turn < 3; turn++) assert.equal((await open.send('write it')).status, 'completed');
    const closed = await world.copilot.create({ id: 'closed' });
    await closed.send('write it');
    await closed.complete();
    await Promise.all(world.workers.map((worker) => worker.kill()));
    await until('both are listed', async () => (await world.copilot.count()) === 2);
    // No worker has worked on this yet.
    await world.temporal.workflow.getHandle('open').signal(suspend, { reason: 'lunch' });

    const good = await replay('--all', '--json');
    const replayed = JSON.parse(good.stdout) as Replayed[]; // our own output
    assert.equal(good.code, 0, good.stderr);
    assert.deepEqual(replayed.map(({ sessionId, problem }) => [sessionId, problem]).sort(), [
      ['closed', null],
      ['open', null],
    ]);

    await startForeign(world, 'foreign');
    await until('all are listed', async () => (await world.copilot.count()) === 3);
    const bad = await replay('open', 'foreign');
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /✓ open/);
    assert.match(bad.stdout, /✗ foreign {2}.*Nondeterminism/);
    assert.match(bad.stderr, /1 replay, 1 do not/);

    const later = await replay('--all', '--since', new Date(Date.now() + 60_000).toISOString());
    assert.deepEqual([later.code, later.stdout], [0, '']);
  });

  it('refuses what it cannot do, and says what to do instead', async () => {
    assert.equal((await replay('nowhere')).code, 3);
    assert.equal((await replay()).code, 2);
    assert.match((await replay('--all', '--since', 'yesterday')).stderr, /--since yesterday/);
  });
});

/** Runs the other workflow until its first timer stands in its history. */
async function startForeign({ server, temporal }: World, workflowId: string): Promise<void> {
  installRuntime(new DefaultLogger('ERROR', () => {}));
  const connection = await NativeConnection.connect({ address: server.address });
  const worker = await Worker.create({
    connection,
    taskQueue: 'foreign',
    workflowsPath: fileURLToPath(new URL('../helpers/foreign-workflow.ts', import.meta.url)),
  });
  await worker.runUntil(async () => {
    const handle = await temporal.workflow.start('copilotSession', { workflowId, taskQueue: 'foreign' });
    await until('a timer', async () => (await handle.describe()).historyLength > 4);
  });
  await connection.close();
}
