/** Calls that a plan saves: the review of a short one, and the final answer. Real server, real worker process. */
import assert from 'node:assert/strict';
import type { TurnView } from '../../../src/client.ts';
import { until } from '../../helpers/history.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { calling } from '../../helpers/replies.ts';
import { decideNext } from '../../helpers/requests.ts';
import { callsOf, playTeam, readCall } from '../../helpers/team-script.ts';
import { someOf } from '../../helpers/full.ts';
import type { World } from '../../helpers/world.ts';

const STEPS = ['step write a', 'step (tool)', 'step write b', 'step (tool)'];
const OUTPUT = { type: 'object', properties: { said: { type: 'string' } }, required: ['said'] };
const mode = 'planning-control';

describe('short plans', function () {
  this.timeout(120_000);
  let world: World;
  let from = 0;

  before(async () => {
    const team = { planning: { agent: 'planner' } };
    world = await startWorldOf({
      default: { team },
      formed: { team, agents: { writer: { output: OUTPUT } } },
      reviewed: { team: { planning: { agent: 'planner', reviewer: 'plan-reviewer' } } },
    });
  });
  after(() => world.stop());

  /** Two steps, each of which reports with such an answer. */
  function play(
    answers: readonly unknown[],
    { final = 'from the summaries', alongside = false, delayMs = 0 } = {},
  ): void {
    const left = [...answers];
    from = world.model.requests.length;
    playTeam(world.model, {
      answer: final,
      instead: ({ phase, lastRole }) => {
        if (phase === 'planning') {
          const step = { agent: 'engineer', notes: '', alongside };
          return {
            json: {
              steps: [
                { ...step, task: 'write a' },
                { ...step, task: 'write b' },
              ],
            },
          };
        }
        if (phase !== 'step' || lastRole !== 'tool') return undefined;
        const answer = left.length > 1 ? left.shift() : left[0];
        return { ...calling(['report_step', { status: 'done', summary: 'it is written', answer }]), delayMs };
      },
    });
  }

  async function run(team = 'default'): Promise<TurnView> {
    return await (await world.copilot.create({ team, mode })).send('write a and b');
  }

  const calls = (): string[] => callsOf(world.model).slice(from);

  /** By step: what its report may have. */
  const offered = () =>
    world.model.requests.slice(from).flatMap(({ body }) => {
      const { phase, lastRole, task } = readCall(body);
      if (phase !== 'step' || lastRole === 'tool') return [];
      const report = body.tools?.find((tool) => tool.function.name === 'report_step')?.function.parameters;
      return [[task, Object.keys(report?.['properties'] ?? {})]];
    });

  it('the last step may bring the reply, which saves the final call', async () => {
    play(['of the first', ' Both files are written. ']);
    const session = await world.copilot.create({ mode });
    const turn = await session.send('write a and b');
    assert.deepEqual([turn.status, turn.reply, turn.artifacts], ['completed', 'Both files are written.', ['a', 'b']]);
    assert.deepEqual(calls(), ['planning', ...STEPS]);
    assert.deepEqual(offered(), [
      ['write a', ['status', 'summary']],
      ['write b', ['status', 'summary', 'answer']],
    ]);
    const { messages } = await session.transcript();
    assert.deepEqual(
      messages.map(({ text }) => text),
      ['write a and b', 'Both files are written.'],
    );
  });

  for (const [what, answer] of someOf(
    [
      ['an empty answer', '  '],
      ['an answer that is no text', { a: 1 }],
      ['no answer', undefined],
    ] as const,
    1,
  )) {
    it(`after ${what} the reply is written from the summaries`, async () => {
      play([answer]);
      const turn = await run();
      assert.deepEqual([turn.status, turn.reply], ['completed', 'from the summaries']);
      assert.deepEqual(calls(), ['planning', ...STEPS, 'answer']);
    });
  }

  it('a step beside another brings no reply, nor one in the place of an agent whose replies have a form', async () => {
    const withoutAnswer = [
      ['write a', ['status', 'summary']],
      ['write b', ['status', 'summary']],
    ];
    play(['too early'], { alongside: true });
    const beside = await run();
    assert.deepEqual([beside.reply, offered().toSorted()], ['from the summaries', withoutAnswer]);
    play(['without a form'], { final: '{"said":"it"}' });
    const formed = await run('formed');
    assert.deepEqual([formed.reply, offered()], ['{"said":"it"}', withoutAnswer]);
  });

  it('the answer of a step that is done again, or behind which a step was added, is dropped', async () => {
    play(['not this', 'not this either', 'the third']);
    const asked = await world.copilot.create({ mode, config: { approvals: { afterStep: true } } });
    const { id: turnId } = await asked.send('write a and b', { wait: false });
    await decideNext(asked, 'continue');
    await decideNext(asked, 'redo', { text: 'in capitals' });
    await decideNext(asked, 'continue');
    assert.equal((await asked.awaitTurn(turnId)).reply, 'the third');

    play(['of a', 'of b', 'of c'], { delayMs: 500 });
    const edited = await world.copilot.create({ mode });
    const { id } = await edited.send('write a and b', { wait: false });
    await until('the last step', async () => calls().includes('step write b'));
    await edited.editPlan([{ op: 'add', at: 3, agent: 'engineer', task: 'write c' }]);
    const turn = await edited.awaitTurn(id);
    assert.deepEqual([turn.steps.length, turn.reply], [3, 'of c']);
    assert.equal(calls().includes('answer'), false);
  });

  it('plans of fewer than three steps are not reviewed, unless the team says so', async () => {
    for (const [count, reviews] of [
      [1, 0],
      [2, 0],
      [3, 1],
    ] as const) {
      from = world.model.requests.length;
      playTeam(world.model, { files: ['a', 'b', 'c'].slice(0, count) });
      const turn = await run('reviewed');
      assert.deepEqual([turn.status, turn.steps.length], ['completed', count]);
      assert.equal(calls().filter((call) => call === 'review').length, reviews);
    }
  });
});
