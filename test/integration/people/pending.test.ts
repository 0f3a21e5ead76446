/** What waits for a person, whatever happens meanwhile. Real server and worker processes, killed; a model that the test scripts. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CopilotClient,
  type CopilotError,
  type Decision,
  type Inbox,
  type InboxFilter,
  type PendingRequest,
  type SessionConfig,
  type SessionHandle,
} from '../../../src/client.ts';
import { isFull, itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { draw, seed } from '../../helpers/random.ts';
import { DIRECT_ROUTE, calling, done } from '../../helpers/replies.ts';
import { nextRequest } from '../../helpers/requests.ts';
import { isolatedConfig } from '../../helpers/server.ts';
import { callsOf, playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const CODE = calling(['run_code', { language: 'node', code: "console.log('ran')" }]);

describe('what waits for a person', function () {
  this.timeout(300_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: { agents: { engineer: { tools: ['write_file', 'run_code'] } } } });
  });
  after(() => world.stop());

  /** Routes to a question once, then to a plan of one step that runs code. */
  function play({ asksBack = false } = {}): void {
    let questions = asksBack ? 1 : 0;
    playTeam(world.model, {
      files: ['a.txt'],
      instead: ({ phase, last, lastRole }) => {
        if (phase === 'routing' && questions-- > 0)
          return { json: { ...DIRECT_ROUTE, route: 'clarify', questions: ['Which one?'] } };
        if (phase !== 'step') return undefined;
        return lastRole === 'tool' ? done(/ran/.test(last) ? 'it ran' : 'it did not run') : CODE;
      },
    });
  }

  async function waiting(config: SessionConfig, user?: string): Promise<[SessionHandle, PendingRequest]> {
    const session = await world.copilot.create({
      mode: 'planning-control',
      config,
      ...(user === undefined ? {} : { user }),
    });
    await session.send('do it');
    return [session, await nextRequest(session)];
  }

  async function restartWorker(): Promise<void> {
    await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
    await world.startWorker();
  }

  /** Two people decide at the same time: exactly one of them does. */
  async function decideTwice(session: SessionHandle, id: string, decision: Decision): Promise<void> {
    const people = ['ada', 'bob'];
    const ends = await Promise.allSettled(people.map((by) => session.decide(id, decision, { by, text: 'as said' })));
    const first = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.verdict.by] : []));
    const errors = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as CopilotError] : [])); // decide throws no other
    assert.equal(first.length, 1, JSON.stringify(ends));
    assert.deepEqual(
      errors.map(({ type, details }) => [type, details['by']]),
      [['AlreadyDecided', first[0]]],
    );
  }

  it(`is still there after the worker was killed in any phase of a planned turn, is decided once, and the turn ends (seed ${seed})`, async () => {
    play({ asksBack: true });
    const from = world.model.requests.length;
    const session = await world.copilot.create({
      config: { approvals: { plan: true, beforeStep: true, afterStep: true }, budget: { rounds: 6 } },
    });
    const turn = await session.send('do it');
    const expected: [PendingRequest['kind'], Decision][] = [
      ['input', 'answer'],
      ['plan', 'approve'],
      ['before-step', 'approve'],
      ['tool', 'once'],
      ['after-step', 'continue'],
      ['budget', 'raise'],
    ];
    const kinds = expected.map(([kind]) => kind);
    const killed = isFull ? kinds : draw(kinds, 2, seed);
    for (const [kind, decision] of expected) {
      const request = await nextRequest(session);
      assert.equal(request.kind, kind);
      if (killed.includes(kind)) await restartWorker();
      assert.deepEqual(await session.requests(), [request], `${kind} after the worker was killed`);
      await decideTwice(session, request.id, decision);
      await session.awaitTurn(turn.id);
    }
    const ended = await session.awaitTurn(turn.id);
    assert.deepEqual([ended.status, ended.reply, ended.steps[0]?.summary], ['completed', 'done', 'it ran']);
    assert.deepEqual(
      (await session.decisions()).map(({ kind, verdict }) => [kind, verdict.decision]),
      expected.map(([kind, decision]) => [kind, decision]),
    );
    const calls = callsOf(world.model).slice(from);
    assert.deepEqual(calls, ['routing', 'routing', 'planning', 'review', 'step write a.txt', 'step (tool)', 'answer']);
  });

  describe('[H05]', () => {
    it('survives a SIGKILL of worker and server', async () => {
      play();
      const [session, request] = await waiting({});
      await Promise.all(world.workers.splice(0).map((worker) => worker.kill()));
      await world.server.kill();
      await world.server.restart();
      await world.reconnect();
      await world.startWorker();
      const again = world.copilot.session(session.id);
      assert.deepEqual(await again.requests(), [request]);
      await decideTwice(again, request.id, 'once');
      const turn = await again.awaitTurn(request.turnId);
      assert.deepEqual([turn.status, turn.steps[0]?.summary], ['completed', 'it ran']);
    });

    it('survives suspend: its clock stands, and what is decided meanwhile holds', async () => {
      play();
      const TIMEOUT_MS = 15_000;
      const SUSPENDED_MS = 16_000;
      const [session, request] = await waiting({ approvals: { plan: true, timeoutMs: TIMEOUT_MS } });
      const suspendedAt = Date.now();
      await session.suspend();
      await sleep(SUSPENDED_MS);
      assert.deepEqual(await session.requests(), [request]);
      await session.continue();
      const stoodMs = Date.now() - suspendedAt;
      const moved = await nextRequest(session);
      const movedMs = Date.parse(moved.expiresAt) - Date.parse(request.expiresAt);
      assert.deepEqual({ ...moved, expiresAt: request.expiresAt }, request);
      assert.ok(movedMs >= SUSPENDED_MS && movedMs <= stoodMs, `moved by ${movedMs} of ${stoodMs} ms`);
      await session.decide(request.id, 'approve');
      assert.equal((await session.awaitTurn(request.turnId)).status, 'awaiting-approval');
      const tool = await nextRequest(session);
      await session.suspend();
      await session.decide(tool.id, 'once');
      assert.equal((await session.awaitTurn(request.turnId)).status, 'suspended');
      await session.continue();
      assert.equal((await session.awaitTurn(request.turnId)).status, 'completed');
    });

    itInFull('survives continue-as-new, with its time', async () => {
      play();
      const TIMEOUT_MS = 30_000;
      const [session, request] = await waiting({ historyLimit: 40, approvals: { timeoutMs: TIMEOUT_MS } });
      const { runs } = await session.info();
      for (let edit = 1; (await session.info()).runs < runs + 3; edit++) {
        assert.ok(edit < 200, 'the session does not move');
        await session.setContext('edit', edit);
      }
      assert.deepEqual(await session.requests(), [request]);
      await decideTwice(session, request.id, 'once');
      const turn = await session.awaitTurn(request.turnId);
      assert.deepEqual([turn.status, turn.steps[0]?.summary], ['completed', 'it ran']);
      const [late, lateRequest] = await waiting({ historyLimit: 40, approvals: { plan: true, timeoutMs: 12_000 } });
      // A time that began anew with the run would be up so much later.
      await sleep(9_000);
      for (let edit = 1; (await late.info()).runs < 2; edit++) await late.setContext('edit', edit);
      const record = await until('a decision', async () => (await late.decisions())[0]);
      assert.deepEqual([record.id, record.verdict.decision], [lateRequest.id, 'expired']);
      const lateMs = Date.parse(record.verdict.at) - Date.parse(lateRequest.expiresAt);
      assert.ok(lateMs >= 0 && lateMs < 8_000, `${lateMs} ms late`);
    });
  });

  describe('[H05] the inbox', () => {
    const idsOf = ({ requests }: Inbox) => requests.map(({ sessionId, id }) => `${sessionId} ${id}`);

    /** As soon as the lists have it so. */
    async function inboxOf(filter: InboxFilter, expected: readonly string[]): Promise<Inbox> {
      const ids = JSON.stringify(expected);
      let last: Inbox | undefined;
      return await until(`an inbox of ${ids}`, async () => {
        last = await world.copilot.inbox(filter);
        return JSON.stringify(idsOf(last)) === ids ? last : undefined;
      }).catch((error: unknown) => assert.fail(`${String(error)}: ${JSON.stringify(last)}`));
    }

    before(async () => {
      for (const { sessionId } of (await world.copilot.inbox()).requests)
        await world.copilot.session(sessionId).complete();
    });

    it('lists what waits in all sessions, oldest first, by user and kind, and no longer when it is decided', async () => {
      play();
      const [first, plan] = await waiting({ approvals: { plan: true } }, 'ada');
      const [second, tool] = await waiting({}, 'o\'brien "bob"');
      const [third, other] = await waiting({ approvals: { plan: true } }, 'ada');
      const lines = [`${first.id} ${plan.id}`, `${second.id} ${tool.id}`, `${third.id} ${other.id}`];
      const [one = '', two = '', three = ''] = lines;
      const all = await inboxOf({}, lines);
      assert.deepEqual([all.more, all.unreadable], [0, []]);
      const { name } = await second.info();
      assert.deepEqual(all.requests[1], { ...tool, sessionId: second.id, sessionName: name, user: 'o\'brien "bob"' });
      await inboxOf({ user: 'ada' }, [one, three]);
      await inboxOf({ user: 'o\'brien "bob"' }, [two]);
      await inboxOf({ kind: 'plan' }, [one, three]);
      await inboxOf({ kind: 'budget' }, []);
      assert.equal((await inboxOf({ limit: 1 }, [one])).more, 2);
      await second.suspend();
      await inboxOf({}, lines);
      await first.decide(plan.id, 'reject');
      await third.complete();
      await inboxOf({}, [two]);
      await second.complete();
      await inboxOf({}, []);
    });

    itInFull('names a session whose worker is away, and lists the others', async () => {
      play();
      const worker = await world.startWorker({ COPILOT_TASK_QUEUE: 'elsewhere' });
      const client = await CopilotClient.connect({
        config: isolatedConfig(world.server.homeDir, { COPILOT_TASK_QUEUE: 'elsewhere' }),
        address: world.server.address,
      });
      const [here, request] = await waiting({ approvals: { plan: true } });
      const away = await client.create({
        user: 'eve',
        config: { approvals: { plan: true } },
        mode: 'planning-control',
      });
      await away.send('do it');
      await client.close();
      await inboxOf({}, [`${here.id} ${request.id}`, `${away.id} req-1`]);
      await worker.kill();
      const { requests, unreadable } = await world.copilot.inbox();
      assert.deepEqual(
        requests.map(({ sessionId }) => sessionId),
        [here.id],
      );
      assert.deepEqual(
        unreadable.map(({ sessionId, user, kind }) => [sessionId, user, kind]),
        [[away.id, 'eve', 'plan']],
      );
      assert.match(unreadable[0]?.problem ?? '', /No worker answers/);
    });
  });
});
