/** When a session expires, on a server whose clock the tests move. Months pass in seconds. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../src/client.ts';
import { fails } from '../helpers/client.ts';
import { fullHistory, type HistoryEvent, until } from '../helpers/history.ts';
import { playTeam } from '../helpers/team-script.ts';
import { type SkippingWorld, startSkippingWorld } from '../helpers/time-skipping.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** More than what passes by itself while a test runs. */
const TOLERANCE_MS = MINUTE_MS / 2;

/** `temporal.api.enums.v1.EventType` */
const ACTIVITY_TASK_COMPLETED = 12;
const TIMER_STARTED = 17;
const TIMER_CANCELED = 20;

describe('expiry', function () {
  this.timeout(60_000);
  let world: SkippingWorld;

  before(async function () {
    // The first time ever, the test server is fetched.
    this.timeout(300_000);
    world = await startSkippingWorld();
    playTeam(world.model);
  });
  after(() => world?.stop());

  /** Moves time to so long after `startMs`, wherever it is now. */
  const passTo = async (startMs: number, afterMs: number): Promise<void> =>
    await world.pass(startMs + afterMs - (await world.nowMs()));

  const statusOf = async (session: SessionHandle): Promise<string> => (await session.info()).status;

  /** What the server says, once the workflow has ended: nobody needs to ask a worker. */
  const expired = async (session: SessionHandle): Promise<void> => {
    const handle = world.temporal.workflow.getHandle(session.id);
    await until(`${session.id} ends`, async () => (await handle.describe()).status.name !== 'RUNNING', 5_000);
    const { status, searchAttributes } = await handle.describe();
    assert.deepEqual([status.name, searchAttributes['CopilotStatus']], ['COMPLETED', ['expired']]);
    assert.equal(await statusOf(session), 'expired');
  };

  /** How long after its last activity the session's end came, by its own clock. */
  const idleMs = async (session: SessionHandle): Promise<number> => {
    const { lastActiveAt, updatedAt } = await session.info();
    return Date.parse(updatedAt) - Date.parse(lastActiveAt);
  };

  const count = (events: readonly HistoryEvent[], eventType: number): number =>
    events.filter((event) => event.eventType === eventType).length;

  it('[S13] a session idle for 24 hours, or for its own time-out, expires; a suspended one does not; a message gives it another 24 hours', async () => {
    const idle = await world.copilot.create();
    const brief = await world.copilot.create({ config: { idleTimeoutMs: HOUR_MS } });
    const lively = await world.copilot.create();
    const suspended = await world.copilot.create();
    await suspended.suspend();
    const startMs = await world.nowMs();

    await passTo(startMs, HOUR_MS - MINUTE_MS);
    assert.equal(await statusOf(brief), 'active');
    await passTo(startMs, HOUR_MS + MINUTE_MS);
    await expired(brief);

    await passTo(startMs, 20 * HOUR_MS);
    assert.equal((await lively.send('Still there?')).status, 'completed');

    await passTo(startMs, DAY_MS - MINUTE_MS);
    assert.equal(await statusOf(idle), 'active');
    await passTo(startMs, DAY_MS + MINUTE_MS);
    await expired(idle);

    await passTo(startMs, 44 * HOUR_MS - MINUTE_MS);
    assert.equal(await statusOf(lively), 'active');
    // One timer from the start, one more when it fired: none for the message.
    const events = await fullHistory(world.temporal, lively.id);
    assert.deepEqual([count(events, TIMER_STARTED), count(events, TIMER_CANCELED)], [2, 0]);
    await passTo(startMs, 44 * HOUR_MS + MINUTE_MS);
    await expired(lively);

    await passTo(startMs, 30 * DAY_MS);
    assert.equal(await statusOf(suspended), 'suspended');
    // To the millisecond by their own clocks, but for the time that a worker takes.
    for (const [session, timeoutMs] of [
      [idle, DAY_MS],
      [brief, HOUR_MS],
      [lively, DAY_MS],
    ] as const) {
      const late = (await idleMs(session)) - timeoutMs;
      assert.ok(late >= 0 && late < TOLERANCE_MS, `${session.id} expired ${late} ms late`);
    }
    // Time is everybody's: it would go on being suspended through the other tests.
    await suspended.complete();
  });

  it('a session that is continued after 30 days has 24 hours from then', async () => {
    const session = await world.copilot.create();
    assert.equal((await session.send('Hello')).status, 'completed');
    await session.suspend();
    await world.pass(30 * DAY_MS + 5 * HOUR_MS);
    assert.equal(await statusOf(session), 'suspended');

    assert.deepEqual(await session.continue(), { changed: true, status: 'active' });
    const startMs = await world.nowMs();
    await passTo(startMs, DAY_MS - MINUTE_MS);
    assert.equal(await statusOf(session), 'active');
    await passTo(startMs, DAY_MS + MINUTE_MS);
    await expired(session);
    await fails(session.send('Hello again'), 'SessionClosed', /expired/);
  });

  it('ten turns in a day start no timer of their own, and each writes as many events as the first', async () => {
    // In a run of its own: a new run has a new timer.
    const session = await world.copilot.create({ config: { historyLimit: 10_000 } });
    const lengths: number[] = [];
    for (let turn = 1; turn <= 10; turn++) {
      await world.pass(2 * HOUR_MS);
      assert.equal((await session.send(`Message ${turn}`)).status, 'completed');
      lengths.push((await session.info()).historyLength);
    }
    const events = await fullHistory(world.temporal, session.id);
    // One model call a turn.
    assert.equal(count(events, ACTIVITY_TASK_COMPLETED), 10);
    assert.deepEqual([count(events, TIMER_STARTED), count(events, TIMER_CANCELED)], [1, 0]);
    const [first = 0, ...later] = lengths.map((length, index) => length - (lengths[index - 1] ?? 0));
    // The first one's count has the start of the session in it.
    assert.ok(
      later.every((length) => length <= first),
      `${first}, then ${later.join(', ')} events`,
    );
    await world.pass(DAY_MS - MINUTE_MS);
    assert.equal(await statusOf(session), 'active');
    await world.pass(2 * MINUTE_MS);
    await expired(session);
  });

  it('a session that went on in a new run keeps its 24 hours from the last message', async () => {
    const session = await world.copilot.create({ config: { historyLimit: 40 } });
    for (let turn = 1; turn <= 4; turn++) assert.equal((await session.send(`Message ${turn}`)).status, 'completed');
    await until('a new run', async () => (await session.info()).runs > 1);
    const startMs = await world.nowMs();
    await passTo(startMs, DAY_MS - MINUTE_MS);
    assert.equal(await statusOf(session), 'active');
    await passTo(startMs, DAY_MS + MINUTE_MS);
    await expired(session);
  });

  it('a session with idleTimeoutMs null is active after a year', async () => {
    const session = await world.copilot.create({ config: { idleTimeoutMs: null } });
    await world.pass(365 * DAY_MS);
    assert.equal(await statusOf(session), 'active');
    assert.equal((await session.send('Still there?')).status, 'completed');
    await session.complete();
  });
});
