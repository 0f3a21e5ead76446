/** Teams without a router: the answering agent answers, plans or asks back itself. Real server, real worker processes. */
import assert from 'node:assert/strict';
import { collect, isTurnEnd } from '../../helpers/client.ts';
import { itInFull } from '../../helpers/full.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { callsOf, playTeam, readCall } from '../../helpers/team-script.ts';
import type { World } from '../../helpers/world.ts';

const PLAN = [
  'make_plan',
  { steps: ['a', 'b'].map((file) => ({ agent: 'engineer', task: `write ${file}`, notes: '', alongside: false })) },
] as const;

describe('[M14] routing by the answering agent', function () {
  this.timeout(120_000);
  let world: World;

  before(async () => {
    world = await startWorldOf({ default: { team: { routing: {}, planning: { agent: 'planner' } } } });
  });
  after(() => world.stop());

  it('a direct answer is one call, and the turn shows its route', async () => {
    playTeam(world.model, { answer: 'Hello!' });
    const from = world.model.requests.length;
    const session = await world.copilot.create();
    const turn = await session.send('Good morning');
    assert.deepEqual(
      [turn.status, turn.reply, turn.route, turn.routeReason],
      ['completed', 'Hello!', 'one-shot', 'it needs no plan'],
    );
    assert.deepEqual(callsOf(world.model).slice(from), ['inline']);
    const { tools, system } = readCall(world.model.requests[from]?.body ?? assert.fail());
    assert.deepEqual(tools, ['read_file', 'write_file', 'make_plan', 'ask_user']);
    assert.match(system, /- engineer: Changes files\./);
    assert.doesNotMatch(system, /- planner:/);
  });

  it('an answer with one tool is two calls', async () => {
    playTeam(world.model, {
      instead: ({ phase, lastRole }) =>
        phase === 'inline' && lastRole !== 'tool'
          ? calling(['write_file', { path: 'x.txt', content: 'x' }])
          : undefined,
    });
    const from = world.model.requests.length;
    const turn = await (await world.copilot.create()).send('Write x.txt');
    assert.deepEqual([turn.status, turn.route, turn.artifacts], ['completed', 'one-shot', ['x.txt']]);
    assert.deepEqual(callsOf(world.model).slice(from), ['inline', 'inline']);
  });

  it('a plan of its own needs no planner, and followers see it; one that cannot be carried out is told and made again', async () => {
    const wrong = [
      'make_plan',
      { steps: [{ agent: 'wizard', task: 'do magic', notes: '', alongside: false }] },
    ] as const;
    const replies = [calling(wrong), calling(PLAN)];
    playTeam(world.model, {
      files: ['a', 'b'],
      instead: ({ phase }) => (phase === 'inline' ? replies.shift() : undefined),
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create();
    const following = collect(session, isTurnEnd);
    const turn = await session.send('Write a and b');
    assert.deepEqual(
      [turn.status, turn.route, turn.steps.map(({ task }) => task), turn.artifacts],
      ['completed', 'planned', ['write a', 'write b'], ['a', 'b']],
    );
    const steps = ['step write a', 'step (tool)', 'step write b', 'step (tool)'];
    assert.deepEqual(callsOf(world.model).slice(from), ['inline', 'inline', ...steps, 'answer']);
    assert.match(
      readCall(world.model.requests[from + 1]?.body ?? assert.fail()).last,
      /no agent "wizard".*make_plan again/,
    );
    const types = (await following).map(({ type }) => type);
    assert.deepEqual(
      types.filter((type) => type === 'routed' || type === 'planned'),
      ['routed', 'planned'],
    );
  });

  it('a question is asked in the same turn, and the answer goes on with it', async () => {
    playTeam(world.model, {
      answer: 'Written.',
      instead: ({ phase, lastRole }) =>
        phase === 'inline' && lastRole !== 'tool' ? calling(['ask_user', { question: 'Which file?' }]) : undefined,
    });
    const session = await world.copilot.create();
    const { id: turnId } = await session.send('Write it', { wait: false });
    const [request] = await until('the question', async () => {
      const { pendingApprovals } = await session.info();
      return pendingApprovals.length > 0 && pendingApprovals;
    });
    assert.equal(request?.question, 'Which file?');
    await session.send('notes.txt', { wait: false });
    const turn = await session.awaitTurn(turnId);
    assert.deepEqual([turn.status, turn.reply, turn.number], ['completed', 'Written.', 1]);
  });

  itInFull('survives a worker that is killed right after the plan', async () => {
    playTeam(world.model, {
      files: ['a', 'b'],
      delayMs: 300,
      instead: ({ phase }) => (phase === 'inline' ? calling(PLAN) : undefined),
    });
    const from = world.model.requests.length;
    const session = await world.copilot.create();
    const { id: turnId } = await session.send('Write a and b', { wait: false });
    await until('the first step', async () => callsOf(world.model).slice(from).includes('step write a'));
    await world.workers.at(-1)?.kill();
    await world.startWorker();
    const turn = await session.awaitTurn(turnId);
    assert.deepEqual([turn.status, turn.artifacts], ['completed', ['a', 'b']]);
    assert.equal(
      callsOf(world.model)
        .slice(from)
        .filter((call) => call === 'inline').length,
      1,
    );
  });
});
