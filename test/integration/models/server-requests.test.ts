/** What real servers refuse or need back, through the product. */
import assert from 'node:assert/strict';
import { type ApiAnswer, type ApiRequest, startApiServer } from '../../helpers/api-server.ts';
import { runCli } from '../../helpers/cli.ts';
import { failed, said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { itInFull, someOf } from '../../helpers/full.ts';
import { type Respond, resultsIn, useServerSessions } from '../../helpers/server-sessions.ts';
import { startWorldOf } from '../../helpers/own-team.ts';
import { temporaryFolder } from '../../helpers/server.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { countTokens } from '../../helpers/tokens.ts';

/** A team whose model has a name of its own, because the worker remembers what a model refuses. */
const team = (model: string, writer: object = {}) => ({
  team: { model, planning: { agent: 'planner' }, compaction: { atTokens: 100_000, keepTokens: 100 } },
  agents: { writer: { tools: ['calculate', 'write_file', 'read_file'], ...writer } },
});

const refusal = (message: string, status = 400): ApiAnswer => failed(status, { error: { message } });

const ANSWER =
  'The Volga is the longest river of Europe. It rises in the Valdai Hills, passes Moscow at some distance, and ends in the Caspian Sea after 3,531 kilometres. '.repeat(
    9,
  );

const EFFORT =
  "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.";

describe('requests that servers refuse, through the product', function () {
  this.timeout(300_000);
  const sessions = useServerSessions({
    default: team('plain'),
    warm: team('warm', { temperature: 0 }),
    effort: team('effort'),
    stubborn: team('stubborn'),
    formless: team('formless'),
    toolless: team('toolless'),
    signing: team('signing'),
    vllm: team('vllm'),
    tgi: team('tgi'),
    strict: team('strict'),
  });

  it('[M05] a temperature that a model refuses is left out, and not sent again', async () => {
    const respond: Respond = ({ body }) =>
      'temperature' in body ? refusal("'temperature' does not support 0 with this model") : said({ content: '437' });
    const { session, turn, bodies } = await sessions.ask(respond, { team: 'warm' });
    assert.deepEqual([turn.status, turn.reply], ['completed', '437'], turn.error?.message);
    assert.deepEqual(
      bodies.map((body) => 'temperature' in body),
      [true, false],
    );
    assert.equal((await sessions.ask(respond, { session })).bodies.length, 1);
  });

  it('[M05] tools beside reasoning: effort "none", or a clear error if the model refuses that, too', async () => {
    const { turn, bodies } = await sessions.ask(
      ({ body }) => (body.reasoning_effort === 'none' ? said({ content: '437' }) : refusal(EFFORT)),
      { team: 'effort' },
    );
    assert.deepEqual([turn.status, turn.reply, bodies.length], ['completed', '437', 2]);
    const stubborn = await sessions.ask(
      ({ body }) =>
        refusal(
          body.reasoning_effort === 'none' ? "reasoning_effort does not support 'none' with this model." : EFFORT,
        ),
      { team: 'stubborn' },
    );
    assert.deepEqual([stubborn.turn.status, stubborn.turn.error?.type], ['failed', 'ModelRejected']);
    assert.match(stubborn.turn.error?.message ?? '', /does not support 'none'.*model/);
    assert.equal(stubborn.bodies.length, 2);
  });

  it('[M05] both forms of JSON refused: the schema stands in the prompt', async () => {
    const { turn, bodies } = await sessions.ask(
      ({ body }) => {
        if (body.response_format) return refusal(`response_format ${body.response_format.type} is not supported`);
        if (body.messages[0].content.includes('"steps"')) {
          return said({ content: '{"steps":[{"agent":"writer","task":"Write it","notes":"","alongside":false}]}' });
        }
        return body.tools
          ? said({ content: null, tool_calls: [toolCall('{"status":"done","summary":"ok"}', 'report_step')] })
          : said({ content: 'written' });
      },
      { team: 'formless', mode: 'planning-control' },
    );
    assert.deepEqual([turn.status, turn.steps.length], ['completed', 1], turn.error?.message);
    assert.deepEqual(
      bodies.slice(0, 3).map((body) => body.response_format?.type),
      ['json_schema', 'json_object', undefined],
    );
  });

  it('[M05] [M08] a server without tools: they stand in the text, and are called from it', async () => {
    const { turn, bodies } = await sessions.ask(
      ({ body }) => {
        if (body.tools) return refusal('registry.ollama.ai/library/gemma3:4b does not support tools');
        return said({
          content: body.messages.at(-1).content.includes('<tool_response>')
            ? 'It is 437.'
            : '<tool_call>{"name": "calculate", "arguments": {"expression": "19 * 23"}}</tool_call>',
        });
      },
      { team: 'toolless' },
    );
    assert.deepEqual([turn.status, turn.reply, bodies.length], ['completed', 'It is 437.', 3], turn.error?.message);
    assert.match(bodies[2].messages.at(-1).content, /437/);
  });

  it('[M03] thought signatures go back with their calls', async () => {
    const { turn } = await sessions.ask(
      ({ body }, call) => {
        if (call === 1) {
          const signed = { ...toolCall('{"expression":"1"}'), extra_content: { google: { thought_signature: 'SIG' } } };
          return streamed({ tool_calls: [signed] });
        }
        const back = body.messages.find((message: { tool_calls?: unknown }) => message.tool_calls)?.tool_calls[0];
        return back.extra_content?.google.thought_signature === 'SIG'
          ? said({ content: 'signed' })
          : refusal('Function call is missing a thought_signature');
      },
      { team: 'signing' },
    );
    assert.equal(turn.reply, 'signed', turn.error?.message);
  });

  for (const [name, words] of someOf(
    [
      ['vllm', "This model's maximum model length is 4096. However, you requested 5000 tokens in the messages"],
      [
        'tgi',
        'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens',
      ],
    ] as const,
    1,
  )) {
    it(`[M10] a conversation that is too long (${name}) is shortened, and goes on`, async () => {
      const tooLong = ({ body }: ApiRequest): boolean => body.tools && body.messages.length > 6;
      const respond: Respond = (request) =>
        tooLong(request)
          ? refusal(words, name === 'tgi' ? 422 : 400)
          : said({ content: `An answer. ${'x'.repeat(300)}` });
      const { session } = await sessions.ask(respond, { team: name });
      for (let turn = 2; turn <= 5; turn++) {
        const asked = await sessions.ask(respond, { session, text: `question ${turn}` });
        assert.equal(asked.turn.status, 'completed', asked.turn.error?.message);
      }
      assert.ok((await session.info()).usage.modelCalls > 5, 'a summary was written');
    });
  }

  it('[M18] half a character never goes out, in messages, arguments and results', async () => {
    const isWhole = (value: unknown): boolean => {
      if (typeof value === 'string') return value.isWellFormed();
      return typeof value !== 'object' || value === null || Object.values(value).every(isWhole);
    };
    const content = `${'a'.repeat(24_999)}😀${'b'.repeat(200)}`;
    const respond: Respond = ({ body }, call) => {
      if (!isWhole(body)) return refusal('The request body is not valid UTF-8: lone surrogate');
      if (call > 2) return said({ content: 'half \ud83d' });
      const [name, args] = call === 1 ? ['write_file', { path: 'a.txt', content }] : ['read_file', { path: 'a.txt' }];
      return said({ content: null, tool_calls: [{ ...toolCall(JSON.stringify(args), name), id: `c${call}` }] });
    };
    const { session, turn, bodies } = await sessions.ask(respond, { team: 'strict', text: 'Read it' });
    assert.deepEqual([turn.status, turn.reply], ['completed', 'half \ufffd'], turn.error?.message);
    assert.match(resultsIn(bodies[2]).at(-1) ?? '', /a{20000}/);
    assert.equal((await sessions.ask(respond, { session, text: 'and on' })).turn.status, 'completed');
  });

  it('[M13] tokens that no server counts are estimated within a quarter, tools and schemas included', async () => {
    const text =
      'Which of the rivers in the north of Europe is the longest one, and through which countries does it run? '.repeat(
        20,
      );
    const { turn, bodies } = await sessions.ask(() => streamed({ content: ANSWER }), { text });
    const [{ messages, tools }] = bodies;
    const sent = messages.map((message: { content: string }) => message.content).join('\n') + JSON.stringify(tools);
    const { inputTokens, outputTokens } = turn.usage;
    const near = (estimate: number, count: number): void =>
      assert.ok(Math.abs(estimate - count) <= count / 4, `${estimate} for ${count}`);
    near(inputTokens, countTokens(sent));
    near(outputTokens, countTokens(turn.reply));
  });

  it('[M11] a server that is silent for 65 s, and then answers, is waited for', async () => {
    const { turn, bodies } = await sessions.ask(async () => {
      await new Promise((resolve) => setTimeout(resolve, 65_000));
      return said({ content: 'at last' });
    });
    assert.deepEqual([turn.reply, bodies.length], ['at last', 1]);
  });
});

describe('[M01] OPENAI_BASE_URL as people write it', function () {
  this.timeout(300_000);

  itInFull('a full endpoint with a query is understood', async () => {
    const api = await startApiServer(() => said({ content: 'here' }));
    const baseUrl = `${api.url}/v1/chat/completions?api-version=2024-10-21`;
    const world = await startWorldOf({ default: {} }, { env: { OPENAI_BASE_URL: baseUrl } });
    try {
      const session = await world.copilot.create({ mode: 'one-shot' });
      assert.equal((await session.send('Hello')).reply, 'here');
      assert.deepEqual(
        api.requests.map(({ path, query }) => [path, query.get('api-version')]),
        [['/v1/chat/completions', '2024-10-21']],
      );
    } finally {
      await world.stop();
      await api.close();
    }
  });

  it('one without http:// is a clear error before anything starts', async () => {
    const homeDir = await temporaryFolder();
    const env = programEnvironment({ address: '127.0.0.1:1', homeDir }, { OPENAI_BASE_URL: 'localhost:11434/v1' });
    const { code, stderr } = await runCli(['worker'], env);
    assert.equal(code, 2);
    assert.match(stderr, /OPENAI_BASE_URL=localhost:11434\/v1 is not valid: use a URL that begins with http:\/\//);
  });
});
