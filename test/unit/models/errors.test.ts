import assert from 'node:assert/strict';
import { APIConnectionError } from 'openai';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { type ApiError, classify, classifyApiError } from '../../../src/models/errors.ts';
import { retryAfterMs } from '../../../src/models/retry-after.ts';

interface Body {
  message?: string;
  code?: string;
  type?: string;
}

const answer = (status: number, body: Body = {}, headers: Record<string, string> = {}): ApiError => ({
  status,
  headers: new Headers(headers),
  body: { error: body },
});
const inStream = (body: Body): ApiError => ({ status: undefined, headers: new Headers(), body: { error: body } });

function judge(error: unknown): ReturnType<typeof classify> {
  const isApiError = typeof error === 'object' && error !== null && 'body' in error;
  return isApiError ? classifyApiError(error as ApiError, 'some-model') : classify(error);
}

describe('classification of model errors', () => {
  const table: [string, unknown, string][] = [
    ['a refused connection', new APIConnectionError({ cause: new Error('connect ECONNREFUSED') }), 'ModelUnavailable'],
    ['a broken stream', new TypeError('terminated', { cause: new Error('other side closed') }), 'ModelUnavailable'],
    ['malformed JSON in the stream', new SyntaxError('Unexpected end of JSON input'), 'ModelUnavailable'],
    ['an error in the stream', inStream({ message: 'The server is overloaded' }), 'ModelUnavailable'],
    ['something that is no Error', 'socket hang up', 'ModelUnavailable'],
    ...[408, 409, 429, 500, 502, 503, 504, 529].map((status): [string, unknown, string] => [
      String(status),
      answer(status, { message: 'later' }),
      'ModelUnavailable',
    ]),
    ...[400, 401, 402, 403, 404, 405, 422, 308].map((status): [string, unknown, string] => [
      String(status),
      answer(status, { message: 'no' }),
      'ModelRejected',
    ]),
    [
      '429 without credit',
      answer(429, { code: 'insufficient_quota', message: 'You exceeded your current quota' }),
      'ModelRejected',
    ],
    ['a refusal in the stream', inStream({ type: 'invalid_request_error', message: 'bad tool' }), 'ModelRejected'],
    ['413', answer(413, { message: 'Payload Too Large' }), 'ContextOverflow'],
    ['OpenAI: overflow', answer(400, { code: 'context_length_exceeded', message: 'too much' }), 'ContextOverflow'],
    [
      'OpenAI: request above the rate of a minute',
      answer(429, { message: 'Request too large for gpt-4 on tokens per min' }),
      'ContextOverflow',
    ],
    ['OpenAI: overflow in the stream', inStream({ code: 'context_length_exceeded', message: 'x' }), 'ContextOverflow'],
    [
      'vLLM: overflow',
      answer(400, { message: "This model's maximum context length is 4096 tokens. However, you requested 5000" }),
      'ContextOverflow',
    ],
    ['llama.cpp: overflow', answer(400, { type: 'exceed_context_size_error', message: 'x' }), 'ContextOverflow'],
    [
      'llama.cpp, older',
      answer(500, { message: 'the request exceeds the available context size, try increasing it' }),
      'ContextOverflow',
    ],
    [
      'LM Studio',
      answer(400, { message: 'Trying to keep the first 9 tokens when context the overflows.' }),
      'ContextOverflow',
    ],
    ['Ollama', answer(400, { message: 'input length exceeds maximum context length' }), 'ContextOverflow'],
    ['Anthropic', answer(400, { message: 'prompt is too long: 210000 tokens > 200000 maximum' }), 'ContextOverflow'],
    [
      'Anthropic with limit',
      answer(400, { message: 'input length and `max_tokens` exceed context limit' }),
      'ContextOverflow',
    ],
    [
      'Gemini',
      answer(400, { message: 'The input token count (9) exceeds the maximum number of tokens allowed (8).' }),
      'ContextOverflow',
    ],
    ['Groq', answer(400, { message: 'Please reduce the length of the messages or completion.' }), 'ContextOverflow'],
    ['xAI', answer(400, { message: "This model's maximum prompt length is 131072" }), 'ContextOverflow'],
    ['a refusal that only speaks of context', answer(400, { message: 'unknown parameter: context' }), 'ModelRejected'],
    [
      'a wrong key whose message speaks of length',
      answer(401, { message: 'the prompt is too long for this key' }),
      'ModelRejected',
    ],
  ];
  for (const [title, error, type] of table) {
    it(`${title} is ${type}`, () => {
      const classified = judge(error);
      assert.equal(classified.type, type);
      assert.equal(classified.retryable, type === 'ModelUnavailable');
    });
  }

  it('tells an address where no API can be from a network that is down', () => {
    const failed = (code: string): Error => new Error('failed', { cause: Object.assign(new Error(code), { code }) });
    for (const code of ['EPROTO', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID', 'CERT_HAS_EXPIRED'])
      assert.equal(classify(failed(code)).details['refusal'], 'address', code);
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'ECONNRESET', 'EAI_AGAIN'])
      assert.equal(classify(failed(code)).type, 'ModelUnavailable', code);
  });

  it('leaves an error of ours as it is', () => {
    const error = new CopilotError('ModelUnavailable', { problem: 'cut' });
    assert.equal(classify(new Error('wrapped', { cause: error })), error);
  });

  it('hands over how long the server asks to wait', () => {
    assert.equal(judge(answer(429, {}, { 'retry-after': '7' })).retryAfterMs, 7_000);
    assert.equal(judge(answer(503, {}, { 'retry-after-ms': '250', 'retry-after': '7' })).retryAfterMs, 250);
    assert.equal(judge(answer(500)).retryAfterMs, undefined);
  });

  it('reads the headers of Anthropic and Cerebras, whose limits have names of several words', () => {
    const nowMs = Date.parse('2030-01-01T00:00:00Z');
    const read = (headers: Record<string, string>): number | undefined => retryAfterMs(new Headers(headers), '', nowMs);
    const input = {
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2030-01-01T00:00:30Z',
      'anthropic-ratelimit-requests-remaining': '9',
      'anthropic-ratelimit-requests-reset': '2030-01-01T01:00:00Z',
    };
    assert.equal(read(input), 30_000);
    assert.equal(read({ 'x-ratelimit-reset-tokens-minute': '4.5', 'x-ratelimit-remaining-tokens-minute': '0' }), 4_500);
  });

  it('reads the moment of which an error speaks, that of Beijing if it names no zone (GLM)', () => {
    const read = (moment: string): number | undefined =>
      retryAfterMs(
        new Headers(),
        `{"error":{"code":"1308","message":"Usage limit reached for 5 hour. Your limit will reset at ${moment}"}}`,
        Date.parse('2025-10-01T09:00:00Z'),
      );
    assert.equal(read('2025-10-01 18:00:00'), 3_600_000);
    assert.equal(read('2025-10-01T10:30:00Z'), 5_400_000);
    assert.equal(read('2025-10-01 09:30:00'), 1_800_000, 'it is past in Beijing');
    assert.equal(read('2025-09-30 18:00:00'), undefined);
  });

  it('reads retry-after as seconds, as a date, and not at all where it makes no sense', () => {
    const now = Date.parse('2030-01-01T00:00:00Z');
    const read = (value: string): number | undefined => retryAfterMs(new Headers({ 'retry-after': value }), '', now);
    assert.equal(read('1.5'), 1_500);
    assert.equal(read('Tue, 01 Jan 2030 00:00:30 GMT'), 30_000);
    assert.equal(read('1893456007000'), 7_000);
    assert.equal(read('60, 60'), 60_000);
    assert.equal(read('"5"'), 5_000);
    assert.equal(read('1m30s'), 90_000);
    assert.equal(read('864000'), 86_400_000);
    for (const value of ['0', '-5', 'Mon, 31 Dec 2029 23:00:00 GMT', '999999999', '00:00:30', 'soon'])
      assert.equal(read(value), undefined, value);
  });

  it('names model and problem, but neither a key nor a whole page', () => {
    const error = judge(
      answer(401, { message: `Incorrect API key provided: sk-proj-${'a1'.repeat(20)}. ${'x'.repeat(9_000)}` }),
    );
    assert.match(error.message, /Incorrect API key provided: sk-…\. x+\)\. Set the right key/);
    assert.ok(error.message.length < 800, String(error.message.length));
  });
});
