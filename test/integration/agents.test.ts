/** Agents are initialised once per worker and reused. Real server, real worker processes. */
import assert from 'node:assert/strict';
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

  it('[A01] a session of three turns with a plan opens its team once, and a second worker opens it once more and no more', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const session = await world.copilot.create();
    for (const text of ['first', 'second', 'third']) assert.equal((await session.send(text)).status, 'completed');
    assert.ok(callsOf(world.model).length >= 3 * 8, 'three planned turns make many calls');
    const [first] = world.workers;
    assert.equal(openings(first), 1);

    const second = await world.startWorker();
    await first?.stop();
    for (const text of ['fourth', 'fifth']) assert.equal((await session.send(text)).status, 'completed');
    assert.equal(openings(second), 1);
    assert.equal((await session.info()).turns, 5);

    // Statistics are logged when a worker stops.
    await second.stop();
    assert.equal(openings(first), 1);
    for (const worker of [first, second]) assert.equal(statistics(worker)['opens'], 1);
    assert.ok(Number(statistics(first)['messages']) >= 24);
  });

  it('agents of a session are told what the session said before, also by a worker that never saw it', async () => {
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
  });
});

function lines(worker: WorkerProcess | undefined): Record<string, unknown>[] {
  return (worker?.log() ?? '').split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Record<string, unknown>];
    } catch {
      return []; // A line for people.
    }
  });
}

function openings(worker: WorkerProcess | undefined): number {
  return lines(worker).filter(
    ({ msg, ms, agents }) => msg === 'agent team initialised' && typeof ms === 'number' && agents === 6,
  ).length;
}

function statistics(worker: WorkerProcess | undefined): Record<string, unknown> {
  return lines(worker).findLast(({ msg }) => msg === 'agent cache statistics') ?? {};
}
