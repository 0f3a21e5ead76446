/** Queries that a worker gets before the task for a newer event. Real server and workers. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueryNotRegisteredError } from '@temporalio/client';
import type { SessionHandle } from '../../src/client.ts';
import { ASK_AGAIN } from '../../src/contracts/early-query.ts';
import { info as infoQuery, progress, suspend } from '../../src/contracts/messages.ts';
import { startWorld, type World } from '../helpers/world.ts';

const SESSIONS = 10;

describe('a query that waits for a worker', function () {
  this.timeout(120_000);
  let world: World;
  let sessions: SessionHandle[];

  before(async () => {
    world = await startWorld();
    sessions = await Promise.all(Array.from({ length: SESSIONS }, async () => await world.copilot.create()));
    // They are left by a worker that ends properly, so the server gives their queries to the next one at once.
    await world.workers.at(-1)?.stop();
  });
  after(async () => {
    await world?.stop();
  });

  /** What a worker thinks of each session. */
  const seen = async (): Promise<unknown[]> =>
    await Promise.all(
      sessions.map(async (session) => {
        const handle = world.temporal.workflow.getHandle(session.id);
        const { status, version, updatedAt } = await session.info();
        return { status, version, updatedAt, progress: await handle.query(progress, 0) };
      }),
    );

  it('[R07] works on no event before its task: replays see the same times', async () => {
    const answers = sessions.map(async (session) => await session.info());
    const plain = sessions.map(async ({ id }) => {
      try {
        return await world.temporal.workflow.getHandle(id).query(infoQuery);
      } catch (error) {
        return error;
      }
    });
    // Time for the queries to reach the server, which then waits for a worker.
    await sleep(2_000);
    for (const { id } of sessions) await world.temporal.workflow.getHandle(id).signal(suspend, { reason: 'lunch' });
    await sleep(1_000);
    await world.startWorker();

    for (const { status } of await Promise.all(answers)) assert.match(status, /^(active|suspended)$/);
    for (const answer of await Promise.all(plain)) {
      if (answer instanceof Error)
        assert.ok(answer instanceof QueryNotRegisteredError && answer.message === ASK_AGAIN, String(answer));
    }
    const live = await seen();
    await world.workers.at(-1)?.kill();
    await world.startWorker();
    assert.deepEqual(await seen(), live);
  });
});
