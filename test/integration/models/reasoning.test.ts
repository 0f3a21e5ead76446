/** What models show of their reasoning, through the product, in each form in which servers send it. */
import assert from 'node:assert/strict';
import type { FollowEvent, SessionHandle } from '../../../src/client.ts';
import type { ApiAnswer, ApiRequest } from '../../helpers/api-server.ts';
import { said, streamed } from '../../helpers/chat-answers.ts';
import { runCli, startCli } from '../../helpers/cli.ts';
import { collect, isTurnEnd, screen, thoughts } from '../../helpers/client.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { message, reasoning, ResponsesRules } from '../../helpers/responses-api.ts';
import { playTeam } from '../../helpers/team-script.ts';
import { anthropicReply, startFormsWorld } from '../../helpers/wire-forms.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

describe('reasoning', function () {
  this.timeout(120_000);

  describe('in each form', () => {
    const rules = new ResponsesRules();
    let world: World;
    let respond: (request: ApiRequest) => ApiAnswer;

    before(async () => {
      world = await startFormsWorld((request) => respond(request));
    });
    after(() => world.stop());

    async function follow(team: string): Promise<{ session: SessionHandle; events: FollowEvent[]; reply: string }> {
      const session = await world.copilot.create({ team, mode: 'one-shot' });
      const following = collect(session, isTurnEnd, 0);
      const { reply } = await session.send('What is 19 * 23?');
      return { session, events: await following, reply };
    }

    for (const [name, team, answer] of someOf(
      [
        [
          'reasoning_content',
          'chat',
          () => streamed({ reasoning_content: 'I must ' }, { reasoning_content: 'compute.' }, { content: '437' }),
        ],
        ['reasoning', 'chat', () => streamed({ reasoning: 'I must compute.' }, { content: '437' })],
        ['a plain reply', 'chat', () => said({ reasoning_content: 'I must compute.', content: '437' })],
        [
          'a block in the text',
          'chat',
          () => streamed({ content: '<think>\nI must ' }, { content: 'compute.</think>\n\n437' }),
        ],
        ['a block without its beginning', 'chat', () => streamed({ content: 'I must compute.</think>437' })],
        [
          'a summary of the Responses API',
          'responses',
          () =>
            rules.answer([
              { ...reasoning('r1', 'x'), summary: [{ type: 'summary_text', text: 'I must compute.' }] },
              message('437', 'msg_1'),
            ]),
        ],
        [
          'thinking of Anthropic over the AI SDK',
          'anthropic',
          () => anthropicReply({ thought: 'I must compute.', text: '437' }),
        ],
      ] satisfies [string, string, () => ApiAnswer][],
      2,
    )) {
      it(`[M17] ${name}: an event of its own, once, and no part of reply, transcript or export`, async () => {
        respond = answer;
        const { session, events, reply } = await follow(team);
        assert.equal(thoughts(events).trim(), 'I must compute.');
        assert.deepEqual([screen(events), reply], ['437', '437']);
        const turns = JSON.stringify(await session.turns());
        const messages = (await session.transcript()).messages.map(({ text }) => text);
        assert.ok(!turns.includes('I must compute.'), turns);
        assert.deepEqual(messages, ['What is 19 * 23?', '437']);
        assert.ok(!JSON.stringify(await session.context()).includes('I must compute.'));
        // A follower who comes later gets it as well.
        assert.equal(thoughts(await collect(session, isTurnEnd, 0)).trim(), 'I must compute.');
      });
    }

    it('[M17] that of routing, planning and review is followed as well, and their answers are not', async () => {
      const answers: Readonly<Record<string, object>> = {
        route: { route: 'planned', primaryAgent: 'writer', refinedTask: 'it', questions: [], reason: 'because' },
        plan: { steps: [{ agent: 'writer', task: 'do it', notes: '' }] },
        review: { approved: true, feedback: '' },
      };
      respond = ({ body }) => {
        const name = String(body.response_format?.json_schema?.name ?? 'none');
        const answer = answers[name];
        if (answer) {
          const thought = [{ reasoning_content: `I think ` }, { reasoning_content: `of the ${name}.` }];
          return streamed(...thought, { content: JSON.stringify(answer) });
        }
        const report = { name: 'report_step', arguments: '{"status":"done","summary":"done"}' };
        const isStep = body.tools?.some((tool: { function: { name: string } }) => tool.function.name === report.name);
        return isStep
          ? said({ content: null, tool_calls: [{ id: 'c1', type: 'function', function: report }] }, 'tool_calls')
          : said({ content: 'All done.' });
      };
      const session = await world.copilot.create({ team: 'chat', mode: 'copilot' });
      const following = collect(session, isTurnEnd, 0);
      assert.equal((await session.send('Do it')).status, 'completed');
      for (const events of [await following, await collect(session, isTurnEnd, 0)]) {
        const agents = new Map(
          events.flatMap((event) => (event.type === 'model-started' ? [[event.activityId, event.agent] as const] : [])),
        );
        const thoughtBy = events.flatMap((event) =>
          event.type === 'reasoning' ? [[agents.get(event.activityId), event.text] as const] : [],
        );
        const told = Map.groupBy(thoughtBy, ([agent]) => agent);
        assert.deepEqual(
          [...told].map(([agent, parts]) => [agent, parts.map(([, text]) => text).join('')]),
          [
            ['router', 'I think of the route.'],
            ['planner', 'I think of the plan.'],
            ['plan-reviewer', 'I think of the review.'],
          ],
        );
        assert.equal(screen(events), 'All done.');
      }
    });

    it('[M17] a summary is asked for, and never again of a model that refuses it', async () => {
      const asked: unknown[] = [];
      respond = ({ body }) => {
        asked.push(body.reasoning);
        if (body.reasoning?.summary === undefined) return rules.answer([message('437', 'msg_1')]);
        const error = {
          message: "Unsupported parameter: 'reasoning.summary' is not supported with this model.",
          param: 'reasoning.summary',
        };
        return { status: 400, body: { error } };
      };
      for (let turn = 0; turn < 2; turn++) assert.equal((await follow('responses')).reply, '437');
      assert.deepEqual(asked, [{ summary: 'auto' }, undefined, undefined]);
    });

    it('[M17] is one folded line for people, whole with --thinking, and events for programs', async () => {
      respond = () => streamed({ reasoning_content: 'I must compute it.' }, { content: '437' });
      const ask = ['start', 'What is 19 * 23?', '--team', 'chat', '--mode', 'one-shot', '--wait'];
      const folded = await runCli(ask, programEnvironment(world.server));
      assert.match(folded.stderr, /^thinking… \(4 words\)$/m);
      assert.deepEqual([folded.stdout.trim(), folded.stderr.includes('I must')], ['437', false]);
      const whole = await runCli([...ask, '--thinking'], programEnvironment(world.server));
      assert.match(whole.stderr, /^I must compute it\.$/m);
      assert.equal(whole.stdout.trim(), '437');

      const session = await world.copilot.create({ team: 'chat', mode: 'one-shot' });
      await session.send('What is 19 * 23?');
      const follower = startCli(['follow', session.id, '--from-start', '--json'], programEnvironment(world.server));
      await follower.untilStdout(/"turn-ended"/);
      follower.process.kill('SIGINT');
      const { stdout } = await follower.ended;
      const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as FollowEvent);
      assert.equal(thoughts(events), 'I must compute it.');
    });
  });

  describe('of a worker that dies', () => {
    let world: World;

    before(async () => {
      world = await startWorld();
    });
    after(() => world.stop());

    itInFull('[M17] [R05] is given once and whole, by an early and by a late follower', async () => {
      const thought = Array.from({ length: 1_200 }, (_, n) => `thought${n} `).join('');
      const answer = `<think>${thought}</think>done`;
      playTeam(world.model, { answer, wordDelayMs: 20 });
      const session = await world.copilot.create({ mode: 'one-shot', message: 'tell me' });
      let isKilled = false;
      const events: FollowEvent[] = [];
      for await (const event of session.follow({ from: 0 })) {
        events.push(event);
        if (event.type === 'reasoning' && !isKilled) {
          isKilled = true;
          await world.workers[0]?.kill();
          playTeam(world.model, { answer, wordDelayMs: 2 });
          await world.startWorker();
        }
        if (isTurnEnd(event)) break;
      }
      assert.equal(events.filter(({ type }) => type === 'reset').length, 1);
      assert.deepEqual([thoughts(events), screen(events)], [thought, 'done']);
      assert.equal(thoughts(await collect(session, isTurnEnd, 0)), thought);
    });
  });
});
