/**
 * A server that lost its database goes on with a backup: of the SQLite file, and of PostgreSQL with
 * `npm run test:postgres test/integration/backup.test.ts`.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../helpers/history.ts';
import { fails } from '../helpers/client.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

describe('backup and restore', function () {
  this.timeout(240_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  it('sessions go on as they were when the database was backed up; what came later is gone, and done again', async () => {
    const { server, model } = world;
    playTeam(model, { files: ['a.txt', 'b.txt'], delayMs: 300, answer: 'both are written' });
    const { id } = await world.copilot.create({ message: 'write two files' });
    const session = () => world.copilot.session(id);
    await until('the first step', async () => (await session().plan())?.steps[0]?.status === 'completed');
    await session().suspend();
    const isQuiet = async () => (await session().describe()).pendingCalls.length === 0;
    await until('the call that ran', isQuiet);
    const calls = callsOf(model).length;

    const folder = join(server.homeDir, 'backup');
    await mkdir(folder);
    await server.backUp(folder);
    await world.reconnect();
    await session().continue();
    assert.equal((await session().awaitTurn('turn-1')).status, 'completed');
    const later = await world.copilot.create({ mode: 'one-shot' });
    const after = callsOf(model).slice(calls);

    await world.workers.at(-1)?.kill();
    await server.restore(folder);
    await world.startWorker();
    await world.reconnect();
    await until('the server', async () => (await world.copilot.serverAnswers()) && (await session().info()) !== null);
    assert.equal((await session().info()).status, 'suspended');
    await fails(world.copilot.session(later.id).info(), 'SessionNotFound', /./);
    await session().continue();
    const turn = await session().awaitTurn('turn-1');
    assert.deepEqual([turn.status, turn.reply], ['completed', 'both are written']);
    assert.deepEqual(callsOf(model).slice(calls), [...after, ...after]);
  });
});
