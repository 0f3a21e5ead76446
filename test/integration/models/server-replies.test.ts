/** What real servers and weak models write, through the product. */
import assert from 'node:assert/strict';
import type { ApiAnswer } from '../../helpers/api-server.ts';
import { said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { someOf } from '../../helpers/full.ts';
import { type Respond, resultsIn, useServerSessions } from '../../helpers/server-sessions.ts';

const TEAM = {
  team: { planning: { agent: 'planner' }, limits: { stepAttempts: 1 } },
  agents: { writer: { tools: ['calculate', 'write_file'] } },
};
const STEP = { agent: 'writer', task: 'Write it', notes: '', alongside: false };

describe('replies of servers, through the product', function () {
  this.timeout(120_000);
  const sessions = useServerSessions({ default: TEAM });

  /** A planned turn: the plan as it is given, then a step that ends at once. */
  const planned =
    (plan: string, step: ApiAnswer = said({ content: null, tool_calls: [report('done')] })): Respond =>
    ({ body }) => {
      if (body.response_format) return said({ content: plan });
      return body.tools?.some(({ function: { name } }: { function: { name: string } }) => name === 'report_step')
        ? step
        : said({ content: 'all done' });
    };

  function report(status: string): object {
    return toolCall(JSON.stringify({ status, summary: 'a summary' }), 'report_step');
  }

  const plan = JSON.stringify({ steps: [STEP] });
  for (const [name, text] of someOf(
    Object.entries({
      'a fence with words around it': `Here is the JSON:\n\`\`\`json\n${plan}\n\`\`\`\nDone.`,
      'a trailing comma': plan.replace(']}', ',]}').replace('false}', 'false,}'),
      'another case': plan.replace('"steps"', '"Steps"').replace('"agent":"writer"', '"Agent":"writer"'),
      'missing notes': JSON.stringify({ steps: [{ agent: 'writer', task: 'Write it' }] }),
      'null in place of a text': plan.replace('"notes":""', '"notes":null'),
      'a bare list': JSON.stringify([STEP]),
      'a wrapper': JSON.stringify({ plan: { steps: [STEP] } }),
      'a raw line break': plan.replace('"notes":""', '"notes":"one\ntwo"'),
      'thinking before it': `<think>One step is enough: {"steps": []}?</think>${plan}`,
    }),
    3,
  )) {
    it(`[M06] a plan with ${name} is read at once`, async () => {
      const { turn, bodies } = await sessions.ask(planned(text), { mode: 'planning-control' });
      assert.deepEqual(
        [turn.status, turn.steps.map(({ agent, task }) => [agent, task])],
        ['completed', [['writer', 'Write it']]],
        turn.error?.message,
      );
      assert.equal(bodies.filter((body) => body.response_format).length, 1);
    });
  }

  for (const [name, text] of someOf(
    Object.entries({
      'plain JSON': '{"name":"calculate","arguments":{"expression":"19 * 23"}}',
      'JSON in a fence': '```json\n{"name":"calculate","arguments":{"expression":"19 * 23"}}\n```',
      'JSON in tags': '<tool_call>{"name":"calculate","arguments":{"expression":"19 * 23"}}</tool_call>',
    }),
    1,
  )) {
    it(`[M08] a call written as ${name} is made`, async () => {
      const { turn, bodies } = await sessions.ask((_request, call) =>
        said({ content: call === 1 ? text : 'It is 437.' }),
      );
      assert.equal(turn.reply, 'It is 437.', turn.error?.message);
      assert.match(resultsIn(bodies[1])[0] ?? '', /437/);
    });
  }

  it('[M08] report_step that is written as text says how the step ended', async () => {
    const call = JSON.stringify({ name: 'report_step', arguments: { status: 'failed', summary: 'no such file' } });
    const { turn } = await sessions.ask(planned(plan, said({ content: call })), { mode: 'planning-control' });
    assert.deepEqual([turn.status, turn.steps.map(({ status }) => status)], ['failed', ['failed']]);
    assert.match(turn.error?.message ?? '', /no such file/);
  });

  it('[M09] a reply that the server ended with an error is asked for again', async () => {
    const { turn, bodies } = await sessions.ask((_request, call) =>
      call === 1 ? said({ content: 'half a sent' }, 'error') : said({ content: 'A whole one.' }),
    );
    assert.deepEqual([turn.status, turn.reply, bodies.length], ['completed', 'A whole one.', 2]);
  });

  for (const [name, answer, advice] of someOf(
    [
      [
        'an error in mid-stream',
        {
          events: [
            { choices: [{ delta: { content: 'It ' } }] },
            { error: { code: 402, message: 'Insufficient credits' }, choices: [] },
          ],
        },
        /Add credit/,
      ],
      [
        'no quota, as a type only',
        { status: 429, body: { error: { message: 'You cannot do that.', type: 'insufficient_quota', code: null } } },
        /Add credit/,
      ],
      [
        'an address without /v1 (LM Studio)',
        { body: { error: 'Unexpected endpoint or method. (POST /chat/completions). Returning 200 anyway' } },
        /Check OPENAI_BASE_URL/,
      ],
    ] satisfies [string, ApiAnswer, RegExp][],
    1,
  )) {
    it(`[M10] ${name} ends the turn after one call, with advice`, async () => {
      const { turn, bodies } = await sessions.ask(() => answer);
      assert.deepEqual([turn.status, bodies.length], ['failed', 1], turn.error?.message);
      assert.match(turn.error?.message ?? '', advice);
    });
  }

  it('[M10] a rate limit is waited for as long as its headers say', async () => {
    const at: number[] = [];
    const limited = {
      status: 429,
      headers: { 'x-ratelimit-reset-tokens': '2s', 'x-ratelimit-reset-requests': '40ms' },
      body: { error: { message: 'Rate limit reached' } },
    };
    const { turn } = await sessions.ask((_request, call) => {
      at.push(Date.now());
      return call === 1 ? limited : said({ content: 'now' });
    });
    assert.equal(turn.reply, 'now');
    assert.ok((at[1] ?? 0) - (at[0] ?? 0) >= 2_000);
  });

  const chunk = { choices: [{ index: 0, delta: { content: '437' } }] };
  for (const [name, answer] of someOf(
    Object.entries<ApiAnswer>({
      '[DONE] without a reason': { events: [chunk, 'data: [DONE]\n\n'] },
      'a reason that is empty': {
        events: [chunk, { choices: [{ delta: {}, finish_reason: '' }] }, 'data: [DONE]\n\n'],
      },
      'events under application/json': {
        headers: { 'content-type': 'application/json' },
        body: `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`,
      },
      'one plain answer': said({ content: '437' }),
      'a plain stream': streamed({ content: '43' }, { content: '7' }),
    }),
    2,
  )) {
    it(`[M09] a reply that ends with ${name} is read`, async () => {
      const { turn, bodies } = await sessions.ask(() => answer);
      assert.deepEqual([turn.status, turn.reply, bodies.length], ['completed', '437', 1], turn.error?.message);
    });
  }
});
