/** A model API that is away for an hour, on a server whose clock the tests move. */
import assert from 'node:assert/strict';
import { until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { type SkippingWorld, startSkippingWorld } from '../helpers/time-skipping.ts';

const MINUTE_MS = 60_000;
/** As `workflows/activities.ts` has it: no attempt is later than this after the one before. */
const MAX_INTERVAL_MS = 30_000;
/** More attempts than this in an hour would be a burden, fewer no sign of life. */
const ATTEMPTS = { least: 100, most: 150 };

describe('a provider', function () {
  this.timeout(120_000);
  let world: SkippingWorld;

  before(async function () {
    // The first time ever, the test server is fetched.
    this.timeout(300_000);
    world = await startSkippingWorld();
  });
  after(() => world?.stop());

  it('[R11] that is down for an hour is asked every 30 s, the session says so, and its turn ends by itself when it is back', async () => {
    let isDown = true;
    playTeam(world.model, {
      answer: 'back after an hour',
      instead: () => (isDown ? { status: 503, error: { message: 'down for an hour' } } : undefined),
    });
    const session = await world.copilot.create({ mode: 'one-shot' });
    const turn = await session.send('hello', { wait: false });
    const downAtMs = await world.nowMs();
    for (let minute = 1; minute <= 60; minute++) {
      const before = world.model.requests.length;
      await world.pass(MINUTE_MS);
      await until(`an attempt in minute ${minute}`, async () =>
        Promise.resolve(world.model.requests.length > before || undefined),
      );
    }
    assert.ok((await world.nowMs()) - downAtMs >= 60 * MINUTE_MS);
    const attempts = world.model.requests.length;
    assert.ok(attempts >= ATTEMPTS.least && attempts <= ATTEMPTS.most, `${attempts} attempts`);
    const { status, phase, pendingCalls } = await session.info();
    assert.deepEqual([status, phase], ['active', 'one-shot']);
    assert.deepEqual(
      pendingCalls.map(({ id, lastError }) => [id, lastError?.type]),
      [['turn-1/one-shot/1', 'ModelUnavailable']],
    );
    assert.match(pendingCalls[0]?.lastError?.message ?? '', /down for an hour/);
    assert.ok((pendingCalls[0]?.attempt ?? 0) >= attempts);

    isDown = false;
    await world.pass(MAX_INTERVAL_MS);
    const ended = await session.awaitTurn(turn.id);
    assert.deepEqual([ended.status, ended.reply], ['completed', 'back after an hour']);
    assert.deepEqual((await session.info()).pendingCalls, []);
  });

  it('[R11] whose replies cannot be read is asked ten times, and the turn ends with advice', async () => {
    const before = world.model.requests.length;
    world.model.respond(() => ({ raw: '{"status":"queued"}' }));
    const session = await world.copilot.create({ mode: 'one-shot' });
    const { id } = await session.send('hello', { wait: false });
    for (let minute = 1; minute <= 4; minute++) await world.pass(MINUTE_MS);
    const { status, error } = await session.awaitTurn(id);
    assert.deepEqual([status, error?.type, world.model.requests.length - before], ['failed', 'ModelUnavailable', 10]);
    assert.match(error?.message ?? '', /queued.*copilot doctor/);
  });
});
