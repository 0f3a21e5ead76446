/** When what a session asks of people expires, on a server whose clock the tests move. */
import assert from 'node:assert/strict';
import { decide } from '../../src/contracts/messages.ts';
import type { PendingRequest } from '../../src/contracts/request.ts';
import type { SessionHandle } from '../../src/client.ts';
import { until } from '../helpers/history.ts';
import { calling } from '../helpers/replies.ts';
import { playTeam } from '../helpers/team-script.ts';
import { type SkippingWorld, startSkippingWorld } from '../helpers/time-skipping.ts';

const MINUTE_MS = 60_000;
/** More than what passes by itself while a test runs. */
const TOLERANCE_MS = MINUTE_MS / 2;

describe('requests to people', function () {
  this.timeout(60_000);
  let world: SkippingWorld;

  before(async function () {
    // The first time ever, the test server is fetched.
    this.timeout(300_000);
    world = await startSkippingWorld();
  });
  after(() => world?.stop());

  const waiting = async (session: SessionHandle): Promise<PendingRequest> => {
    await until('a request', async () => (await session.info()).pendingApprovals.length > 0);
    const [request] = (await session.info()).pendingApprovals;
    assert.ok(request);
    return request;
  };

  const pass = async (request: PendingRequest, afterMs: number): Promise<void> =>
    await world.pass(Date.parse(request.expiresAt) + afterMs - (await world.nowMs()));

  it('about a plan fails the turn after 30 minutes, as was said before; continue asks again, and late words are refused', async () => {
    playTeam(world.model, { files: ['a.txt'] });
    const session = await world.copilot.create({ mode: 'copilot', config: { approvals: { plan: true } } });
    const turn = await session.send('write it');
    assert.equal(turn.status, 'awaiting-approval');
    const request = await waiting(session);
    assert.deepEqual([request.kind, request.onExpiry.outcome], ['plan', 'fail']);
    const leftMs = Date.parse(request.expiresAt) - Date.parse(request.createdAt);
    assert.equal(leftMs, 30 * MINUTE_MS);

    await pass(request, -MINUTE_MS);
    assert.equal((await waiting(session)).id, request.id);
    await pass(request, MINUTE_MS);
    await until('the turn fails', async () => (await session.turns()).at(-1)?.status === 'failed');
    assert.equal((await session.turns()).at(-1)?.error?.type, 'RequestExpired');

    await session.continue();
    const again = await waiting(session);
    assert.notEqual(again.id, request.id);
    const handle = world.temporal.workflow.getHandle(session.id);
    await assert.rejects(
      handle.executeUpdate(decide, { args: [{ requestId: request.id, decision: 'approve', by: 'ada' }] }),
      (error: Error) => /expired, by the clock/.test(String((error.cause as Error | undefined)?.message)),
    );
    await handle.executeUpdate(decide, { args: [{ requestId: again.id, decision: 'approve', by: 'ada' }] });
    await until('the turn ends', async () => (await session.turns()).at(-1)?.status === 'completed');
  });

  it('about a tool deny it after 30 minutes, without the time that the session was suspended', async () => {
    playTeam(world.model, {
      instead: ({ tools, lastRole, last }) => {
        if (!tools.includes('run_code')) return calling(['transfer_to_engineer', { reason: 'it is code' }]);
        if (lastRole === 'tool' && !last.startsWith('Handed over')) return { text: last };
        return { toolCalls: [{ name: 'run_code', arguments: { language: 'javascript', code: 'console.log(1)' } }] };
      },
    });
    const session = await world.copilot.create({ mode: 'copilot' });
    const turn = await session.send('compute');
    assert.equal(turn.status, 'awaiting-approval', JSON.stringify(turn));
    const request = await waiting(session);
    assert.deepEqual([request.kind, request.onExpiry.outcome], ['tool', 'deny']);
    await world.pass(10 * MINUTE_MS);
    await session.suspend();
    await world.pass(24 * 60 * MINUTE_MS);
    assert.equal((await waiting(session)).id, request.id);
    await session.continue();
    const postponed = await waiting(session);
    const movedMs = Date.parse(postponed.expiresAt) - Date.parse(request.expiresAt);
    assert.ok(Math.abs(movedMs - 24 * 60 * MINUTE_MS) < TOLERANCE_MS, `${movedMs}`);
    await pass(postponed, MINUTE_MS);
    const ended = await session.awaitTurn(turn.id);
    assert.equal(ended.status, 'completed');
    assert.match(ended.reply, /the clock does not allow this call/);
  });
});
