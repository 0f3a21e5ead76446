/** Agents are initialised once per worker and reused. Real server, real worker processes. */
import assert from 'node:assert/strict';
import { itInFull } from '../helpers/full.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';
import type { WorkerProcess } from '../helpers/worker.ts';

describe('agents', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  it('[A01] sessions with several turns and a plan open each team once per worker, with one log line for each digest', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const sessions = [await world.copilot.create(), await world.copilot.create()];
    for (const session of sessions) {
      for (const text of ['first', 'second', 'third']) assert.equal((await session.send(text)).status, 'completed');
    }
    assert.equal(callsOf(world.model).length, 2 * 3 * 6, 'planned turns of six model calls');
    const [first] = world.workers;
    assert.deepEqual(openings(first), [{ team: 'default', agents: 5 }]);

    const other = await world.copilot.create({ team: 'data-analysis', mode: 'one-shot' });
    assert.equal((await other.send('hello')).status, 'completed');
    const teams = [
      { team: 'default', agents: 5 },
      { team: 'data-analysis', agents: 5 },
    ];
    assert.deepEqual(openings(first), teams);
    assert.equal(new Set(linesOf(first, OPENED).map(({ digest }) => digest)).size, 2);

    const second = await world.startWorker();
    await first?.stop();
    for (const session of [...sessions, other]) assert.equal((await session.send('more')).status, 'completed');
    assert.deepEqual(openings(second), teams);
    for (const { ms } of [...linesOf(first, OPENED), ...linesOf(second, OPENED)]) {
      assert.ok(Number.isInteger(ms) && Number(ms) >= 0, String(ms));
    }

    // A worker logs its statistics when it stops.
    await second.stop();
    for (const worker of [first, second]) assert.equal(statistics(worker)['opens'], 2);
    assert.equal(statistics(first)['messages'], 2 * 3 + 1);
    assert.ok(Number(statistics(first)['calls']) >= 2 * 3 * 6 + 1);
  });

  itInFull(
    'agents of a session are told what the session said before, also by a worker that never saw it',
    async () => {
      await world.startWorker();
      playTeam(world.model, { answer: 'noted' });
      const session = await world.copilot.create({ mode: 'one-shot' });
      await session.send('my cat is called Ada');
      await Promise.all(world.workers.map((worker) => worker.stop()));
      await world.startWorker();
      await session.send('what is my cat called?');
      const asked = world.model.requests.at(-1)?.body.messages.map(({ role, content }) => [role, content]);
      assert.deepEqual(asked?.slice(1), [
        ['user', 'my cat is called Ada'],
        ['assistant', 'noted'],
        ['user', 'what is my cat called?'],
      ]);
    },
  );
});

const OPENED = 'agent team initialised';

/** Log lines with that message. */
function linesOf(worker: WorkerProcess | undefined, message: string): Record<string, unknown>[] {
  return (worker?.log() ?? '').split('\n').flatMap((line) => {
    if (!line.includes(message)) return [];
    return [JSON.parse(line) as Record<string, unknown>]; // the worker's log is JSON
  });
}

/** What was opened, by the log. */
function openings(worker: WorkerProcess | undefined): unknown[] {
  return linesOf(worker, OPENED).map(({ team, agents }) => ({ team, agents }));
}

function statistics(worker: WorkerProcess | undefined): Record<string, unknown> {
  return linesOf(worker, 'agent cache statistics').at(-1) ?? {};
}
