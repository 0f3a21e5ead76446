import assert from 'node:assert/strict';
import { openAi } from '../../../src/models/openai/provider.ts';
import { type ApiAnswer, startApiServer } from '../../helpers/api-server.ts';
import { failed, said, streamed } from '../../helpers/chat-answers.ts';
import { HELLO, useChatServer } from '../../helpers/chat-world.ts';

const OUTPUT = {
  name: 'plan',
  schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false },
};
describe('servers of chat completions and their errors', () => {
  const chat = useChatServer();

  describe('[M10] errors are told apart by what they say', () => {
    const cases: { name: string; answer: ApiAnswer; expected: { type: string; refusal?: string; waitMs?: number } }[] =
      [
        {
          name: 'a wrong key',
          answer: failed(401, { error: { message: 'Incorrect API key provided: sk-abcdefghijkl.' } }),
          expected: { type: 'ModelRejected', refusal: 'key' },
        },
        {
          name: 'an error under status 200',
          answer: { body: { error: { code: 401, message: 'No auth credentials found' } } },
          expected: { type: 'ModelRejected', refusal: 'key' },
        },
        {
          name: 'an error in mid-stream',
          answer: {
            events: [
              { choices: [{ delta: { content: 'a' } }] },
              { error: { code: 402, message: 'Insufficient credits' } },
            ],
          },
          expected: { type: 'ModelRejected', refusal: 'credit' },
        },
        {
          name: 'no credit, as a type only',
          answer: failed(429, {
            error: { message: 'You exceeded your current quota.', type: 'insufficient_quota', code: null },
          }),
          expected: { type: 'ModelRejected', refusal: 'credit' },
        },
        {
          name: 'a quota of nothing (Gemini)',
          answer: failed(429, [
            {
              error: {
                code: 429,
                message: 'Quota exceeded for metric: free_tier_requests, limit: 0',
                status: 'RESOURCE_EXHAUSTED',
              },
            },
          ]),
          expected: { type: 'ModelRejected', refusal: 'quota' },
        },
        {
          name: 'a rate limit (Gemini)',
          answer: failed(429, [
            {
              error: {
                code: 429,
                message: 'Quota exceeded for requests per minute, limit: 10',
                status: 'RESOURCE_EXHAUSTED',
                details: [{ retryDelay: '14s' }],
              },
            },
          ]),
          expected: { type: 'ModelUnavailable', waitMs: 14_000 },
        },
        {
          name: 'a log-in page',
          answer: { headers: { 'content-type': 'text/html' }, body: '<!DOCTYPE html><html>Sign in</html>' },
          expected: { type: 'ModelRejected', refusal: 'address' },
        },
        {
          name: 'a page of a proxy in trouble',
          answer: { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>502 Bad Gateway</html>' },
          expected: { type: 'ModelUnavailable' },
        },
        {
          name: 'too little memory (Ollama)',
          answer: failed(500, {
            error: { message: 'model requires more system memory (9.9 GiB) than is available (2.1 GiB)' },
          }),
          expected: { type: 'ModelRejected', refusal: 'memory' },
        },
        {
          name: 'a model that is not there',
          answer: failed(404, { error: { message: "model 'm' not found, try pulling it first" } }),
          expected: { type: 'ModelRejected', refusal: 'model' },
        },
        {
          name: 'a path that is not there',
          answer: failed(404, 'page not found'),
          expected: { type: 'ModelRejected', refusal: 'address' },
        },
        {
          name: 'words with the time',
          answer: failed(429, { error: { message: 'Rate limit reached. Please try again in 8.5s.' } }),
          expected: { type: 'ModelUnavailable', waitMs: 8_500 },
        },
        {
          name: 'a header with the time',
          answer: {
            ...failed(429, { error: { message: 'Rate limit' } }),
            headers: { 'x-ratelimit-reset-tokens': '6s', 'x-ratelimit-reset-requests': '120ms' },
          },
          expected: { type: 'ModelUnavailable', waitMs: 6_000 },
        },
        {
          name: 'overload',
          answer: failed(503, { error: { message: 'The model is overloaded' } }),
          expected: { type: 'ModelUnavailable' },
        },
        {
          name: 'too long (vLLM)',
          answer: failed(400, {
            message: "This model's maximum model length is 4096. However, you requested 5000 tokens",
            type: 'BadRequestError',
          }),
          expected: { type: 'ContextOverflow' },
        },
        {
          name: 'too long (TGI)',
          answer: failed(422, { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096' }),
          expected: { type: 'ContextOverflow' },
        },
      ];
    for (const { name, answer, expected } of cases) {
      it(name, async () => {
        chat.respond = () => answer;
        const error = await chat.ask().then(
          () => assert.fail('no error'),
          (thrown: Error & { type: string; details: Record<string, unknown>; retryAfterMs?: number }) => thrown,
        );
        assert.deepEqual(
          { type: error.type, refusal: error.details['refusal'], waitMs: error.retryAfterMs },
          { refusal: undefined, waitMs: undefined, ...expected },
          error.message,
        );
        assert.equal(chat.requests.length, 1);
        assert.doesNotMatch(error.message, /sk-abcdefghijkl/);
      });
    }
  });

  it('[M07] a form that repeats itself is cut', async () => {
    const line = (n: number): object => ({ choices: [{ delta: { content: `"What about question ${n}?", ` } }] });
    chat.respond = () => ({
      events: [
        { choices: [{ delta: { content: '{"questions": [' } }] },
        ...Array.from({ length: 2_000 }, (_, n) => line(n)),
      ],
    });
    const reply = await chat.ask({ output: OUTPUT });
    assert.equal(reply.finish, 'length');
    assert.ok(reply.text.length < 10_000, String(reply.text.length));
  });

  it('[M07] thinking that repeats itself without end is cut; equal lines that a person may have asked for are not', async () => {
    const line = 'All work and no play.\n';
    const pieces = (field: string, count: number): ApiAnswer =>
      streamed(...Array.from({ length: count }, () => ({ [field]: line })), { content: 'Done.' });
    chat.respond = () => pieces('reasoning_content', 5_000);
    const { finish, repeats, reasoning } = await chat.ask();
    assert.deepEqual([finish, repeats], ['length', true]);
    assert.ok(reasoning.length < 15_000);
    chat.respond = () => pieces('content', 5_000);
    assert.deepEqual((await chat.ask()).text, `${line.repeat(5_000)}Done.`);
  });

  it('[M17] thinking in the text is no part of the reply', async () => {
    const heard: string[] = [];
    const said: string[] = [];
    chat.respond = () =>
      streamed(
        { content: '<thi' },
        { content: 'nk>\nI wonder. </th' },
        { content: 'ink>\n\nThe answer' },
        { content: ' is <b>4</b>.' },
      );
    const reply = await chat.ask({ onText: (delta) => said.push(delta), onReasoning: (delta) => heard.push(delta) });
    assert.equal(reply.text, 'The answer is <b>4</b>.');
    assert.equal(said.join(''), reply.text);
    assert.equal(heard.join('').trim(), 'I wonder.');
  });

  it('[M18] half a surrogate pair never goes out', async () => {
    chat.respond = () => said({ content: 'ok' });
    await chat.ask({ system: 'a\ud83d', messages: [{ role: 'user', text: '\udc00b' }] });
    assert.deepEqual(
      chat.requests[0]?.body.messages.map(({ content }: { content: string }) => content),
      ['a\ufffd', '\ufffdb'],
    );
  });

  it('[M18] half a surrogate pair in a reply is marked, and a pair in two pieces stays whole', async () => {
    chat.respond = () => streamed({ content: 'whole \ud83d' }, { content: '\ude00, half \ud83d' });
    assert.equal((await chat.ask()).text, 'whole 😀, half \ufffd');
  });

  it('[M13] cached and reasoning tokens are counted', async () => {
    chat.respond = () => ({
      body: {
        choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }],
        usage: {
          prompt_tokens: 100,
          completion_tokens: 20,
          prompt_tokens_details: { cached_tokens: 60 },
          completion_tokens_details: { reasoning_tokens: 12 },
        },
      },
    });
    assert.deepEqual((await chat.ask()).usage, {
      inputTokens: 100,
      cachedTokens: 60,
      cacheWriteTokens: 0,
      outputTokens: 20,
      reasoningTokens: 12,
      isEstimate: false,
    });
  });

  it('[M13] reasoning that only the total has is counted, and so is a cache by the names of Anthropic', async () => {
    const counted = async (usage: object): Promise<number[]> => {
      chat.respond = () => ({ body: { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }], usage } });
      const { inputTokens, cachedTokens, cacheWriteTokens, outputTokens, reasoningTokens } = (await chat.ask()).usage;
      return [inputTokens, cachedTokens, cacheWriteTokens, outputTokens, reasoningTokens];
    };
    const xai = { prompt_tokens: 32, completion_tokens: 9, total_tokens: 135 };
    assert.deepEqual(
      await counted({ ...xai, completion_tokens_details: { reasoning_tokens: 94 } }),
      [32, 0, 0, 103, 94],
    );
    const gemini = { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 };
    assert.deepEqual(await counted(gemini), [20, 0, 0, 603, 405]);
    const openAi = { prompt_tokens: 20, completion_tokens: 198, total_tokens: 218 };
    assert.deepEqual(
      await counted({ ...openAi, completion_tokens_details: { reasoning_tokens: 100 } }),
      [20, 0, 0, 198, 100],
    );
    const cache = { cache_read_input_tokens: 40, cache_creation_input_tokens: 60 };
    assert.deepEqual(await counted({ prompt_tokens: 110, completion_tokens: 9, ...cache }), [110, 40, 60, 9, 0]);
    assert.deepEqual(await counted({ input_tokens: 10, output_tokens: 9, ...cache }), [110, 40, 60, 9, 0]);
  });
});

describe('[M01] the address of a model API', () => {
  it('is understood as people write it, with its query', async () => {
    const server = await startApiServer(() => said({ content: 'ok' }));
    for (const [written, path] of [
      ['/v1', '/v1/chat/completions'],
      ['/v1/', '/v1/chat/completions'],
      ['/v1/chat/completions', '/v1/chat/completions'],
      ['/v1/models', '/v1/chat/completions'],
      ['/api/chat', '/v1/chat/completions'],
      ['/openai/deployments/m?api-version=2024-10-21', '/openai/deployments/m/chat/completions'],
    ] as const) {
      const provider = openAi({ baseUrl: `"${server.url}${written}"`, headers: { 'x-team': 'a' } });
      await provider.model('m').reply({ system: '', messages: HELLO, signal: AbortSignal.timeout(5_000) });
      await provider.close();
      const request = server.requests.at(-1);
      assert.equal(request?.path, path);
      assert.equal(request.query.get('api-version'), written.includes('?') ? '2024-10-21' : null);
      assert.equal(request.headers['x-team'], 'a');
    }
    await server.close();
    assert.throws(() => openAi({ baseUrl: 'https://ada:secret@host/v1' }), {
      type: 'InvalidConfig',
      message: /^(?!.*secret).*Authorization header/s,
    });
    assert.throws(() => openAi({ apiKey: 'sk-\u201cabc' }), {
      type: 'InvalidConfig',
      message: /^(?!.*abc).*curly quote/s,
    });
    assert.throws(() => openAi({ baseUrl: 'localhost:11434/v1' }), {
      type: 'InvalidConfig',
      message: /http:\/\/localhost:11434\/v1/,
    });
  });
});
