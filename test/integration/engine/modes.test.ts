/** What each mode does with a message. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { DIRECT_ROUTE } from '../../helpers/replies.ts';
import { callsOf, playTeam } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const CAREFUL = {
  team: {
    modes: {
      careful: {
        description: 'Plans, and asks about the plan',
        route: 'planned' as const,
        approvals: { plan: true },
        budget: { toolCalls: 100 },
      },
    },
  },
};

const PLANNED = ['planning', 'review', 'step write a.txt', 'step (tool)', 'step write b.txt', 'step (tool)', 'answer'];

describe('modes', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: {}, careful: CAREFUL });
  });
  after(() => world.stop());

  /** Calls of the model while `work` ran. */
  async function calls(work: () => Promise<unknown>): Promise<string[]> {
    const before = world.model.requests.length;
    await work();
    return callsOf(world.model).slice(before);
  }

  /** What waits next, by kind and step, decided by a person as the plain Temporal client would. */
  async function decide(session: SessionHandle, decision: string, text?: string): Promise<[string, number | null]> {
    const [request] = await until('a request', async () => {
      const { pendingApprovals } = await session.info();
      return pendingApprovals.length > 0 ? pendingApprovals : undefined;
    });
    assert.ok(request);
    const payload = { requestId: request.id, decision, by: 'ada', ...(text === undefined ? {} : { text }) };
    await world.temporal.workflow.getHandle(session.id).executeUpdate('decide', { args: [payload] });
    return [request.kind, request.step];
  }

  it('[T01] copilot has the router choose between a direct answer, a plan and a question for each message', async () => {
    const session = await world.copilot.create({ mode: 'copilot' });
    playTeam(world.model, { answer: 'just so' });
    assert.deepEqual(
      await calls(async () => {
        const turn = await session.send('hello');
        assert.deepEqual([turn.status, turn.route, turn.reply], ['completed', 'one-shot', 'just so']);
      }),
      ['routing', 'one-shot'],
    );
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'both written' });
    assert.deepEqual(
      await calls(async () => {
        const turn = await session.send('write two files');
        assert.deepEqual([turn.status, turn.route, turn.reply], ['completed', 'planned', 'both written']);
      }),
      ['routing', ...PLANNED],
    );
    playTeam(world.model, {
      instead: ({ phase }) =>
        phase === 'routing' ? { json: { ...DIRECT_ROUTE, route: 'clarify', questions: ['Which one?'] } } : undefined,
    });
    assert.deepEqual(
      await calls(async () => {
        const turn = await session.send('do it');
        assert.deepEqual([turn.status, turn.route, turn.questions], ['awaiting-input', 'clarify', ['Which one?']]);
      }),
      ['routing'],
    );
    await session.interrupt();
  });

  it('[T01] planning-control makes a plan of every message, without asking the router', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'done' });
    const session = await world.copilot.create({ mode: 'planning-control' });
    for (const text of ['write two files', 'hello']) {
      assert.deepEqual(
        await calls(async () => {
          const turn = await session.send(text);
          assert.deepEqual([turn.status, turn.route, turn.steps.length], ['completed', 'planned', 2]);
          assert.equal(turn.routeReason, 'mode planning-control');
        }),
        PLANNED,
      );
    }
  });

  it('[T01] one-shot answers every message directly', async () => {
    playTeam(world.model, { files: ['a.txt'], answer: 'short' });
    const session = await world.copilot.create({ mode: 'one-shot' });
    for (const text of ['write two files, first one, then the other, and report', 'hello']) {
      assert.deepEqual(
        await calls(async () => {
          const turn = await session.send(text);
          assert.deepEqual([turn.status, turn.route, turn.reply], ['completed', 'one-shot', 'short']);
          assert.equal(turn.routeReason, 'mode one-shot');
        }),
        ['one-shot'],
      );
    }
  });

  it('[T01] hitl-interactive plans, and waits for a person at the plan, before each step and after each', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'as you wished' });
    const session = await world.copilot.create({ mode: 'hitl-interactive' });
    const asked = await session.send('write two files');
    assert.equal(asked.status, 'awaiting-approval');
    assert.equal((await session.info()).phase, 'awaiting-approval');
    assert.deepEqual(asked.requests?.[0]?.options, ['approve', 'modify', 'reject']);
    const decided: [string, number | null][] = [];
    for (const decision of ['approve', 'approve', 'continue', 'skip']) decided.push(await decide(session, decision));
    const turn = await until('the end', async () => {
      const now = await session.awaitTurn(asked.id);
      return now.status === 'completed' ? now : undefined;
    });
    assert.deepEqual(decided, [
      ['plan', null],
      ['before-step', 1],
      ['after-step', 1],
      ['before-step', 2],
    ]);
    assert.equal(turn.reply, 'as you wished');
    assert.deepEqual(
      turn.steps.map(({ status }) => status),
      ['completed', 'skipped'],
    );
    assert.deepEqual(turn.artifacts, ['a.txt']);
  });

  it("[T01] a team's own mode is a preset of route, approvals and budget, which other teams do not have", async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'careful' });
    const session = await world.copilot.create({ team: 'careful', mode: 'careful' });
    const made = await calls(async () => {
      const asked = await session.send('write two files');
      assert.equal(asked.status, 'awaiting-approval');
      assert.equal(asked.routeReason, 'mode careful');
      assert.deepEqual(await decide(session, 'approve'), ['plan', null]);
      const turn = await until('the end', async () => {
        const now = await session.awaitTurn(asked.id);
        return now.status === 'completed' ? now : undefined;
      });
      assert.equal(turn.reply, 'careful');
    });
    assert.deepEqual(made, PLANNED, 'nothing but the plan is asked about');
    await assert.rejects(world.copilot.create({ mode: 'careful' }), {
      type: 'UnknownMode',
      message: /careful.*copilot, planning-control, one-shot, hitl-interactive/,
    });
  });
});
