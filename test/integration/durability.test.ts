/** A session outlives its worker, its server and both at once. Real server, real worker processes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cachedServerFile } from '../../src/server/program.ts';
import { until } from '../helpers/history.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const FILES = ['a.txt', 'b.txt', 'c.txt'];
const EVERY_CALL_ONCE = [
  'routing',
  'planning',
  'review',
  ...FILES.flatMap((file) => [`step write ${file}`, 'step (tool)']),
  'answer',
];

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

  it('after its worker was killed in the middle of a plan, a session repeats the model call that was running and no other', async () => {
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
  });

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
});
