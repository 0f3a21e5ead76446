/** Plans: made, reviewed, carried out, reported. Real server, real worker process, a model that the test scripts. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionHandle } from '../../../src/client.ts';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { until } from '../../helpers/history.ts';
import type { ScriptedReply } from '../../helpers/model-server.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { DIRECT_ROUTE, reporting } from '../../helpers/replies.ts';
import { callsOf, playTeam, readCall, type ScriptedCall } from '../../helpers/team-script.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const PRICES = { scripted: { input: 2, output: 10 } };

const step = (agent: string, task: string, notes = '') => ({ agent, task, notes });
const plan = (...steps: object[]): ScriptedReply => ({ json: { steps } });

describe('plans', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({
      default: {},
      twice: { team: { planning: { agent: 'planner', reviewer: 'plan-reviewer', reviews: 2, reviewFrom: 1 } } },
      priced: { team: { prices: PRICES } },
    });
  });
  after(() => world.stop());

  /** Calls of these phases get these replies, one after another; what is left is played as usual. */
  function script(replies: Partial<Record<string, ScriptedReply[]>>, answer = 'done'): void {
    playTeam(world.model, { files: ['a.txt'], answer, instead: ({ phase }) => replies[phase]?.shift() });
  }

  const planOf = async (session: SessionHandle) =>
    (await session.plan())?.steps.map(({ agent, task, notes, status }) => ({ agent, task, notes, status }));

  it('[T04] the reviewer sends a plan back, the planner revises it, and what is recorded names agent and notes of each step', async () => {
    script({
      planning: [
        plan(step('engineer', 'write draft.txt')),
        plan(step('engineer', 'write a.txt', 'in English'), step('writer', 'write b.txt')),
      ],
      review: [{ json: { approved: false, feedback: 'the second file is missing' } }],
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'planning-control' });
    const turn = await session.send('write two files');
    assert.equal(turn.status, 'completed');
    const calls = callsOf(world.model).slice(from);
    assert.deepEqual(calls.slice(0, 4), ['planning', 'review', 'planning', 'step write a.txt']);
    const [, review, revision, first] = world.model.requests.slice(from);
    assert.ok(review && revision && first);
    assert.match(readCall(review.body).last, /# Task\nwrite two files\n\n# Plan\n1\. \(engineer\) write draft\.txt/);
    assert.match(readCall(revision.body).last, /the second file is missing/);
    assert.match(readCall(first.body).last, /# Your step\nwrite a\.txt\n\nNotes: in English/);
    assert.deepEqual(await planOf(session), [
      { agent: 'engineer', task: 'write a.txt', notes: 'in English', status: 'completed' },
      { agent: 'writer', task: 'write b.txt', notes: '', status: 'completed' },
    ]);
    assert.deepEqual(await session.getContext('copilot.plan'), [
      { agent: 'engineer', task: 'write a.txt' },
      { agent: 'writer', task: 'write b.txt' },
    ]);
  });

  it('[T04] a reviewer who is never content has its rounds, then the last revision is carried out', async () => {
    playTeam(world.model, {
      instead: ({ phase, messages }) =>
        phase === 'planning'
          ? plan(step('engineer', `write ${messages.length}.txt`))
          : phase === 'review'
            ? { json: { approved: false, feedback: 'another way, please' } }
            : undefined,
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ team: 'twice', mode: 'planning-control' });
    const turn = await session.send('write a file');
    assert.equal(turn.status, 'completed');
    assert.deepEqual(callsOf(world.model).slice(from, from + 5), [
      'planning',
      'review',
      'planning',
      'review',
      'planning',
    ]);
    assert.deepEqual(
      turn.steps.map(({ task }) => task),
      ['write 3.txt'],
    );
  });

  for (const [what, reply, problem] of someOf(
    [
      ['without steps', plan(), /a plan needs at least one step/],
      [
        'for an agent that does not exist',
        plan(step('wizard', 'write a.txt')),
        /no agent "wizard"; choose among .*engineer/,
      ],
      ['that is no JSON', { text: '1. write a.txt' }, /not JSON/],
      ['that is nothing at all', {}, /it is empty/],
    ] satisfies [string, ScriptedReply, RegExp][],
    2,
  )) {
    it(`[T04] a plan ${what} is repaired, and where it is not, the turn fails and says why`, async () => {
      const from = world.model.requests.length;
      script({ planning: [reply] });
      const session = await world.copilot.create({ mode: 'planning-control' });
      const repaired = await session.send('write a file');
      assert.deepEqual([repaired.status, repaired.artifacts], ['completed', ['a.txt']]);
      const repair = world.model.requests[from + 1];
      assert.ok(repair);
      assert.match(readCall(repair.body).last, problem);

      script({ planning: [reply, reply] });
      const failed = await session.send('write a file');
      assert.deepEqual([failed.status, failed.error?.type], ['failed', 'InvalidModelOutput']);
      assert.match(failed.error?.message ?? '', problem);
      assert.match(failed.error?.message ?? '', /Send the message again or use another model/);
      assert.deepEqual(failed.steps, []);
    });
  }

  itInFull(
    'a model that returns invalid JSON, then wrong agent names, then nothing: repaired or failed clearly each time, and the session answers the next message',
    async () => {
      const wizard = { ...PLANNED, primaryAgent: 'wizard' };
      const session = await world.copilot.create();

      // The router: the heuristic decides. The planner: nothing at all is no plan.
      script({ routing: [{ text: '{' }, { json: wizard }], planning: [{ text: '{' }, {}] });
      const failed = await session.send('First read the notes, then write a report.');
      assert.deepEqual([failed.status, failed.route, failed.error?.type], ['failed', 'planned', 'InvalidModelOutput']);
      assert.match(failed.routeReason ?? '', /heuristic/);

      // Each wrong once: each repaired. A reviewer that says nothing approves, and people are told.
      script({
        routing: [{ text: '{' }],
        planning: [plan(step('wizard', 'write a.txt'))],
        review: [{}, {}],
        step: [{}],
        answer: [{}],
      });
      const repaired = await session.send('write a file');
      assert.match(repaired.routeReason ?? '', /repaired/);
      assert.equal(repaired.status, 'completed');
      assert.equal(
        (await session.info()).notes.at(-1)?.text,
        'The plan of turn 2 was not reviewed: plan-reviewer gave no usable answer (it is empty).',
      );

      // Nothing, again and again: told so once, then a clear failure, of a direct answer and of a step.
      script({ routing: [{ json: { ...PLANNED, route: 'one-shot' } }] }, '');
      const from = world.model.requests.length;
      const empty = await session.send('hello');
      assert.deepEqual([empty.status, empty.error?.type], ['failed', 'InvalidModelOutput']);
      assert.match(empty.error?.message ?? '', /answer of agent engineer.*it is empty/);
      assert.deepEqual(callsOf(world.model).slice(from), ['routing', 'one-shot', 'one-shot']);
      script({ step: Array.from({ length: 6 }, () => ({})) });
      const stuck = await session.send('write a file');
      assert.deepEqual([stuck.status, stuck.error?.type], ['failed', 'StepFailed']);
      assert.match(stuck.error?.message ?? '', /Step 1 failed 3 times: .*it is empty/);

      script({ routing: [{ json: { ...PLANNED, route: 'one-shot' } }] }, 'here I am');
      const next = await session.send('still there?');
      assert.deepEqual([next.status, next.number, next.reply], ['completed', 5, 'here I am']);
    },
  );

  it('[T05] steps go from pending over in-progress to completed or failed; the third failure ends the turn, and continue takes up there', async () => {
    let isBroken = true;
    const seen: string[] = [];
    playTeam(world.model, {
      files: ['one.txt', 'two.txt', 'three.txt'],
      answer: 'all written',
      instead: (call: ScriptedCall) => {
        if (call.phase === 'step' && call.lastRole === 'user') seen.push(planLines(call));
        return isBroken && call.task === 'write two.txt' ? reporting('failed', 'the disk is on holiday') : undefined;
      },
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create({ mode: 'planning-control' });
    const failed = await session.send('write three files');
    assert.equal(failed.status, 'failed');
    assert.equal(failed.error?.type, 'StepFailed');
    assert.match(failed.error?.message ?? '', /Step 2 failed 3 times: the disk is on holiday.*copilot continue ses_/);
    const statuses = (steps: typeof failed.steps) => steps.map(({ status, attempts }) => [status, attempts]);
    assert.deepEqual(statuses(failed.steps), [
      ['completed', 1],
      ['failed', 3],
      ['pending', 0],
    ]);
    assert.deepEqual(seen, [
      '[in-progress] [pending] [pending]',
      ...Array.from({ length: 3 }, () => '[completed] [in-progress] [pending]'),
    ]);
    const attempts = world.model.requests
      .slice(from)
      .map(({ body }) => readCall(body))
      .filter(isFirstOf('write two.txt'));
    assert.deepEqual(
      attempts.map(({ last }) => last.includes('# The attempt before failed\nthe disk is on holiday')),
      [false, true, true],
    );
    // Nobody says that it is completed: not the calls, not the events, not the conversation, not the session.
    assert.ok(!callsOf(world.model).slice(from).includes('answer'));
    const events = await collect(session, isTurnEnd, 0);
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'step-ended' ? [[event.step, event.status]] : [])),
      [
        [1, 'completed'],
        [2, 'failed'],
        [2, 'failed'],
        [2, 'failed'],
      ],
    );
    assert.ok(events.some((event) => event.type === 'turn-ended' && event.status === 'failed'));
    assert.match((await session.transcript()).messages.at(-1)?.text ?? '', /without an answer: Step 2 failed 3 times/);
    assert.equal((await session.info()).status, 'active');
    assert.deepEqual(
      (await planOf(session))?.map(({ status }) => status),
      ['completed', 'failed', 'pending'],
    );

    isBroken = false;
    const again = world.model.requests.length;
    await session.continue();
    const turn = await session.awaitTurn(failed.id);
    assert.deepEqual([turn.status, turn.reply, turn.error], ['completed', 'all written', undefined]);
    assert.deepEqual(statuses(turn.steps), [
      ['completed', 1],
      ['completed', 1],
      ['completed', 1],
    ]);
    assert.deepEqual(callsOf(world.model).slice(again), [
      'step write two.txt',
      'step (tool)',
      'step write three.txt',
      'step (tool)',
      'answer',
    ]);
  });

  it('[T05] a step that a person skips is skipped, and not completed: nothing runs it, and the plan goes on', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'] });
    const from = world.model.requests.length;
    const session = await world.copilot.create({
      mode: 'planning-control',
      config: { approvals: { beforeStep: true } },
    });
    const { id } = await session.send('write two files');
    for (const decision of ['skip', 'approve']) {
      const requestId = await until('a request', async () => (await session.info()).pendingApprovals[0]?.id);
      const payload = { requestId, decision, by: 'ada' };
      await world.temporal.workflow.getHandle(session.id).executeUpdate('decide', { args: [payload] });
    }
    const turn = await until('the end', async () => {
      const now = await session.awaitTurn(id);
      return now.status === 'completed' ? now : undefined;
    });
    assert.deepEqual(
      turn.steps.map(({ status, attempts }) => [status, attempts]),
      [
        ['skipped', 0],
        ['completed', 1],
      ],
    );
    assert.deepEqual(turn.artifacts, ['b.txt']);
    assert.ok(!callsOf(world.model).slice(from).includes('step write a.txt'));
  });

  it('[T09] a planned turn leaves its answer, its files, and reports of plan, cost and time in the workspace; usage is by agent and model', async () => {
    playTeam(world.model, { files: ['a.txt', 'b.txt'], answer: 'both files are written', delayMs: 150 });
    const session = await world.copilot.create({ team: 'priced', mode: 'planning-control' });
    const turn = await session.send('write two files');
    assert.equal(turn.reply, 'both files are written');
    assert.deepEqual(turn.artifacts, ['a.txt', 'b.txt']);

    const { usageByAgent, cost } = await session.info();
    assert.deepEqual(Object.keys(usageByAgent).sort(), [
      'engineer/scripted',
      'engineer/tools',
      'plan-reviewer/scripted',
      'planner/scripted',
      'writer/scripted',
    ]);
    assert.equal(usageByAgent['engineer/scripted']?.modelCalls, 4);
    assert.equal(usageByAgent['engineer/tools']?.toolCalls, 2);
    const usages = Object.values(usageByAgent);
    const dollars = usages.reduce(
      (sum, { inputTokens, outputTokens }) => sum + (2 * inputTokens + 10 * outputTokens) / 1e6,
      0,
    );
    assert.ok(dollars > 0);
    assert.ok(Math.abs((cost ?? 0) - dollars) < 1e-12, `info says ${cost}, its usage costs ${dollars}`);
    assert.equal(turn.cost, cost);

    const read = async (name: string): Promise<Record<string, unknown>> =>
      JSON.parse(
        await readFile(join(world.server.homeDir, 'workspaces', session.id, 'reports/turn-1', name), 'utf8'),
      ) as Record<string, unknown>; // an object, as all of them
    const planned = await read('plan.json');
    assert.deepEqual([planned['turn'], planned['turnId'], planned['task']], [1, turn.id, 'write two files']);
    assert.deepEqual(planned['steps'], [
      {
        number: 1,
        agent: 'engineer',
        task: 'write a.txt',
        notes: '',
        status: 'completed',
        attempts: 1,
        summary: turn.steps[0]?.summary,
        artifacts: ['a.txt'],
      },
      {
        number: 2,
        agent: 'engineer',
        task: 'write b.txt',
        notes: '',
        status: 'completed',
        attempts: 1,
        summary: turn.steps[1]?.summary,
        artifacts: ['b.txt'],
      },
    ]);
    const costs = await read('cost.json');
    assert.deepEqual([costs['turn'], costs['currency'], costs['totalCost']], [1, 'USD', cost]);
    assert.deepEqual(
      costs['byAgentAndModel'],
      Object.fromEntries(
        Object.entries(usageByAgent).map(([who, usage]) => [
          who,
          { ...usage, cost: who.endsWith('/tools') ? null : (2 * usage.inputTokens + 10 * usage.outputTokens) / 1e6 },
        ]),
      ),
    );
    const timing = (await read('timing.json')) as unknown as Timing; // as the engine writes it
    assert.deepEqual([timing.turn, timing.startedAt, timing.waitedMs], [1, turn.startedAt, 0]);
    assert.deepEqual(
      timing.steps.map(({ number, agent }) => [number, agent]),
      [
        [1, 'engineer'],
        [2, 'engineer'],
      ],
    );
    for (const { ms } of timing.steps) assert.ok(ms >= 300 && ms < timing.totalMs, `a step of two calls took ${ms} ms`);
    assert.ok(timing.totalMs >= timing.steps.reduce((sum, { ms }) => sum + ms, 0));
  });
});

interface Timing {
  readonly turn: number;
  readonly startedAt: string;
  readonly totalMs: number;
  readonly waitedMs: number;
  readonly steps: readonly { readonly number: number; readonly agent: string; readonly ms: number }[];
}

const PLANNED = { ...DIRECT_ROUTE, route: 'planned', primaryAgent: 'engineer', refinedTask: 'write a file' } as const;

/** Statuses of the steps as the brief of a step shows them. */
function planLines({ last }: ScriptedCall): string {
  return [...last.matchAll(/^\d+\. (\[[a-z-]+\])/gm)].map(([, status]) => status).join(' ');
}

const isFirstOf =
  (task: string) =>
  (call: ScriptedCall): boolean =>
    call.phase === 'step' && call.task === task && call.lastRole === 'user';
