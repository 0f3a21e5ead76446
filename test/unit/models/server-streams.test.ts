import assert from 'node:assert/strict';
import type { ModelMessage, ModelReply, ModelRequest, Provider, TokenUsage } from '../../../src/models/model.ts';
import { openAi } from '../../../src/models/openai/provider.ts';
import { type ApiAnswer, type ApiServer, startApiServer } from '../../helpers/api-server.ts';
import { failed, said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { cpuTimer } from '../../helpers/cpu-time.ts';
import { isFull } from '../../helpers/full.ts';

const TOOLS = [
  {
    name: 'calculate',
    description: 'Computes.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } } },
  },
];
const HELLO: readonly ModelMessage[] = [{ role: 'user', text: 'Hello' }];

describe('servers of chat completions and their streams', () => {
  let server: ApiServer;
  let provider: Provider;
  let answer: ApiAnswer;

  beforeEach(async () => {
    server = await startApiServer(() => answer);
    provider = openAi({ baseUrl: `${server.url}/v1`, name: 'local' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
    provider
      .model('m')
      .reply({ system: '', messages: HELLO, tools: TOOLS, signal: AbortSignal.timeout(5_000), ...more });
  const ok = 'data: {"choices":[{"delta":{"content":"ok"}}]}';
  const stop = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}';
  const chunk = (choice: object, more: object = {}): object => ({ choices: [choice], ...more });

  const texts: Record<string, ApiAnswer> = {
    'comments before and between': { events: [`: PROCESSING\n\n${ok}\n\n: ping\n\n${stop}\n\ndata: [DONE]\n\n`] },
    'line ends of Windows': { events: [`${ok}\r\n\r\n${stop}\r\n\r\ndata: [DONE]\r\n\r\n`] },
    'a byte order mark': { events: [`\ufeff${ok}\n\n${stop}\n\n`] },
    'names of events, ids and times': { events: [`event: message\nid: 1\nretry: 9\n${ok}\n\n${stop}\n\n`] },
    'no space behind the colon': { events: [`${ok.replace(': {', ':{')}\n\n${stop}\n\ndata:[DONE]\n\n`] },
    'pings that are no JSON': { events: [`data: ping\n\n${ok}\n\nevent: ping\ndata: keep-alive\n\n${stop}\n\n`] },
    'pings that are JSON': { events: [`event: ping\ndata: {"type":"ping"}\n\n${ok}\n\ndata: null\n\n${stop}\n\n`] },
    'roles and nulls': {
      events: [
        { choices: [], prompt_filter_results: [] },
        chunk({ delta: { role: 'assistant', content: null, tool_calls: null }, finish_reason: null }, { usage: null }),
        chunk({ delta: { content: 'ok' }, finish_reason: '' }),
        chunk({ delta: {}, finish_reason: 'stop' }),
        { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } },
      ],
    },
    'values of other types': {
      events: [
        chunk({ delta: { content: 'ok', refusal: 0 }, finish_reason: { type: 'stop' } }, { model: 7, usage: [] }),
        { choices: [], usage: { prompt_tokens_details: [] } },
        'data: [DONE]\n\n',
      ],
    },
    'content in parts': said({
      content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }, { text: 'ok' }],
    }),
    'content in parts that are texts': said({ content: ['o', 'k'] }),
    'whatever else in place of what is not there': {
      events: [
        { choices: [null] },
        { choices: {} },
        chunk({ delta: '' }),
        chunk({ delta: { content: 'ok', tool_calls: '', function_call: 'none' }, finish_reason: 'null' }),
        chunk({ delta: { content: [null], tool_calls: [null] }, finish_reason: false }),
        'data: [DONE]\n\n',
      ],
    },
    'an empty delta beside it': { body: { choices: [{ delta: {}, message: { content: 'ok' } }] } },
    'the whole of it in every chunk': {
      events: [chunk({ message: { content: 'o' } }), chunk({ message: { content: 'ok' }, finish_reason: 'stop' })],
    },
    'its reason under the name of Gemini': {
      events: [chunk({ delta: { content: 'ok' }, finish_reason: null, finishReason: 'STOP' })],
    },
    'a count of its tokens at the end, and no reason': {
      events: [chunk({ delta: { content: 'ok' } }), { choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } }],
    },
    'ends of other forms': { events: [`${ok}\n\ndata: "[done]"\n\n`] },
    'an event that says it is done': { events: [`${ok}\n\nevent: done\ndata: {}\n\n`] },
    'its end stuck to it': { events: [`${ok}[DONE]\n\n`] },
    'numbers that are none, and raw tabs': {
      events: ['data: {"choices":[{"delta":{"content":"ok","x":"\t"},"logprobs":NaN,"finish_reason":"stop"}]}\n\n'],
    },
    'lines of JSON without events': {
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${ok.slice(6)}\n${stop.slice(6)}\n`,
    },
    'the end of a stream behind one whole answer': {
      body: '{"choices":[{"message":{"content":"ok"}}]}\n\ndata: [DONE]\n\n',
    },
    'the type of a page': { headers: { 'content-type': 'text/html' }, body: `${ok}\n\n${stop}\n\n` },
    'thinking in its middle': said({ content: '<think>a</think>\n<thinking>\nb\n</thinking>\nok' }),
    'an event in the data of another': { events: [`data: ${ok}\n\ndata: ${stop}\n\ndata: data: [DONE]\n\n`] },
    'no blank lines between events': { events: [`${ok}\n${stop}\ndata: [DONE]\n`] },
    'the form of completions without chat': { body: { choices: [{ text: 'ok', finish_reason: 'stop' }] } },
    'a token of its template behind it': said({ content: 'ok<|endoftext|>' }),
    'a header of its template before it': said({
      content: '<|start_header_id|>assistant<|end_header_id|>\n\nok<|eom_id|>',
    }),
    'a model that Groq did not understand': failed(400, {
      error: { message: 'Failed to call a function.', code: 'tool_use_failed', failed_generation: 'ok' },
    }),
  };
  for (const [name, given] of Object.entries(texts)) {
    it(`a text with ${name}`, async () => {
      answer = given;
      const { text, finish } = await ask();
      assert.deepEqual([text, finish], ['ok', 'stop']);
    });
  }

  const one = '{"expression":"1"}';
  const calls: Record<string, ApiAnswer> = {
    'no object around its name': streamed({ tool_calls: [{ id: 'c1', name: 'calculate', arguments: one }] }),
    'nothing in place of its first piece': streamed(
      { tool_calls: [{ index: 0, id: 'c1', function: '' }] },
      { tool_calls: [toolCall(one)] },
    ),
    'no reason and no end behind it': { events: [chunk({ delta: { tool_calls: [toolCall(one)] } })] },
    'a choice of its own': {
      body: { choices: [{ message: { content: 'I do.' } }, { message: { tool_calls: [toolCall(one)] } }] },
    },
    'its place in the thinking': said({
      content: '',
      reasoning_content: `I use it.\n<tool_call>{"name":"calculate","arguments":${one}}</tool_call>`,
    }),
    'an index that is a text': streamed({ tool_calls: [{ ...toolCall(one), index: '0' }] }),
    'null everywhere': streamed(
      { tool_calls: [toolCall('')] },
      { content: null, tool_calls: [{ index: 0, id: null, type: null, function: { name: null, arguments: one } }] },
    ),
    'name and id in every piece': streamed(
      { tool_calls: [toolCall('{"expression"')] },
      { tool_calls: [toolCall(':')] },
      { tool_calls: [toolCall('"1"}')] },
    ),
    'arguments as an object': said({
      tool_calls: [{ id: 'c1', function: { name: 'calculate', arguments: { expression: '1' } } }],
    }),
    'one object in place of a list': said({ tool_calls: toolCall(one) }),
    'arguments that stand there twice': said({ tool_calls: [toolCall(one + one)] }),
    'an empty object before its arguments': said({ tool_calls: [toolCall(`{}${one}`)] }),
    'a tag of its template behind its arguments': said({ tool_calls: [toolCall(`${one}</tool_call>`)] }),
    'a fence around its arguments': said({ tool_calls: [toolCall(`\`\`\`json\n${one}\n\`\`\``)] }),
    'a list around its arguments': said({ tool_calls: [toolCall(`[${one}]`)] }),
    'the name of a template in its own': streamed({ tool_calls: [toolCall(one, 'calculate<|channel|>commentary')] }),
    'words that Groq did not understand': failed(400, {
      error: { code: 'tool_use_failed', message: 'x', failed_generation: `<function=calculate${one}</function>` },
    }),
    'words that Groq did not understand, in mid-stream': {
      events: [
        `event: error\ndata: ${JSON.stringify({ error: { message: 'x', failed_generation: `calculate${one}</function>`, status_code: 400 } })}\n\n`,
      ],
    },
  };
  for (const [name, given] of Object.entries(calls)) {
    it(`[M08] a call with ${name}`, async () => {
      answer = given;
      const { toolCalls, finish } = await ask();
      assert.deepEqual(
        [toolCalls.map((call) => [call.name, call.arguments]), finish],
        [[['calculate', one]], 'tool_calls'],
      );
    });
  }

  for (const [reason, finish] of Object.entries({
    'content_filter: RECITATION': 'filtered',
    PROHIBITED_CONTENT: 'filtered',
    MAX_TOKENS: 'length',
    max_output_tokens: 'length',
    model_context_window_exceeded: 'length',
    'function_call_filter: MALFORMED_FUNCTION_CALL': 'failed',
    abort: 'failed',
    token_limit: 'length',
    ERROR_TOXIC: 'filtered',
    UNEXPECTED_TOOL_CALL: 'failed',
    user_abort: 'failed',
    eos_token: 'stop',
    end_turn: 'stop',
  })) {
    it(`[M09] ${reason} is ${finish}`, async () => {
      answer = said({ content: 'half' }, reason);
      assert.equal((await ask()).finish, finish);
    });
  }

  const usages: Record<string, object> = {
    'of OpenAI': { usage: { prompt_tokens: 9, completion_tokens: 2 } },
    'as texts': { usage: { prompt_tokens: '9', completion_tokens: '2' } },
    'by the names of Anthropic': { usage: { input_tokens: 9, output_tokens: 2 } },
    'of Groq': { x_groq: { usage: { prompt_tokens: 9, completion_tokens: 2 } } },
    'of Moonshot': { choices: [{ delta: {}, usage: { prompt_tokens: 9, completion_tokens: 2, cached_tokens: 0 } }] },
  };
  for (const [name, given] of Object.entries(usages)) {
    it(`[M13] usage ${name}, though an empty one follows`, async () => {
      answer = { events: [`${ok}\n\n${stop}\n\n`, { choices: [], ...given }, { usage: {} }, 'data: [DONE]\n\n'] };
      const { usage } = await ask();
      assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.isEstimate], [9, 2, false]);
    });
  }

  const miscounted: Record<string, readonly [given: object, isRight: (usage: TokenUsage) => boolean]> = {
    'a negative count': [{ prompt_tokens: -1, completion_tokens: 2 }, (usage) => usage.inputTokens > 9],
    'no count of what was said': [{ prompt_tokens: 9, completion_tokens: 0 }, (usage) => usage.outputTokens > 0],
    'more from the cache than there was': [
      { prompt_tokens: 9, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 50 } },
      (usage) => usage.cachedTokens === 9 && !usage.isEstimate,
    ],
    'parts of a token': [{ prompt_tokens: '9.0', completion_tokens: 1.6 }, (usage) => usage.outputTokens === 2],
  };
  for (const [name, [usage, isRight]] of Object.entries(miscounted)) {
    it(`[M13] ${name}`, async () => {
      answer = { body: { choices: [{ message: { content: 'ok' }, finish_reason: 'stop' }], usage } };
      const counted = (await ask()).usage;
      assert.ok(isRight(counted), JSON.stringify(counted));
    });
  }

  it('[M08] a call whose pieces have all that came before', async () => {
    answer = streamed(
      { tool_calls: [toolCall(one.slice(0, 6))] },
      { tool_calls: [toolCall(one.slice(0, 12))] },
      { tool_calls: [toolCall(one)] },
    );
    assert.deepEqual(
      (await ask()).toolCalls.map((call) => call.arguments),
      [one],
    );
  });

  it('[M17] reasoning by the names of gateways', async () => {
    for (const delta of [{ reasoning_text: 'hm' }, { reasoning_details: [{ type: 'reasoning.text', text: 'hm' }] }]) {
      answer = streamed(delta, { content: 'ok' });
      const { text, reasoning } = await ask();
      assert.deepEqual([text, reasoning], ['ok', 'hm']);
    }
  });

  it('[M08] two calls with one id and one index, each whole', async () => {
    answer = streamed({ tool_calls: [toolCall(one)] }, { tool_calls: [toolCall('{"expression":"2"}')] });
    assert.deepEqual(
      (await ask()).toolCalls.map((call) => [call.id, call.arguments]),
      [
        ['c1', one],
        ['call_1_1', '{"expression":"2"}'],
      ],
    );
  });

  const errors: Record<string, { given: ApiAnswer; expected: object }> = {
    'words in place of events': {
      given: { headers: { 'content-type': 'text/plain' }, body: 'Unauthorized' },
      expected: { type: 'ModelRejected', details: { refusal: 'key' } },
    },
    'a line of JSON in a stream': {
      given: { events: [`: PROCESSING\n\n${ok}\n\n{"error":{"code":402,"message":"Insufficient credits"}}\n\n`] },
      expected: { type: 'ModelRejected', details: { refusal: 'credit' } },
    },
    'a message and nothing behind it': {
      given: { events: [{ message: 'Internal failure' }] },
      expected: { type: 'ModelUnavailable', message: /Internal failure/ },
    },
    'a message under a short name': {
      given: { events: [{ code: 1002, msg: 'token expired' }] },
      expected: { type: 'ModelRejected', details: { refusal: 'key' } },
    },
    'half an answer in one piece': {
      given: { body: '{"choices":[{"message":{"content":"hal' },
      expected: { type: 'ModelUnavailable', message: /malformed/ },
    },
    'a page under a plain text': {
      given: { headers: { 'content-type': 'text/plain' }, body: '\n<!doctype html><html>Sign in</html>' },
      expected: { type: 'ModelRejected', details: { refusal: 'address' } },
    },
    'a whole answer without choices': {
      given: { body: { success: false, errors: [{ code: 10_000, message: 'Invalid API key' }] } },
      expected: { type: 'ModelRejected', details: { refusal: 'key' } },
    },
    'an error of its choice': {
      given: { events: [chunk({ delta: {}, finish_reason: 'error', error: { code: 402, message: 'No credits' } })] },
      expected: { type: 'ModelRejected', details: { refusal: 'credit' } },
    },
    'an error in a field of its own (llama.cpp)': {
      given: { events: [`${ok}\n\nerror: {"code":400,"message":"bad grammar","type":"invalid_request_error"}\n\n`] },
      expected: { type: 'ModelRejected', details: { refusal: 'form' } },
    },
    'an error that is a text': {
      given: { events: ['event: error\ndata: the engine died\n\n'] },
      expected: { type: 'ModelUnavailable', message: /the engine died/ },
    },
  };
  for (const [name, { given, expected }] of Object.entries(errors)) {
    it(`[M10] ${name}`, async () => {
      answer = given;
      await assert.rejects(ask(), (error: Error & { type: string; details: Record<string, unknown> }) => {
        const { type, message, details } = expected as {
          type: string;
          message?: RegExp;
          details?: { refusal: string };
        };
        assert.equal(error.type, type, error.message);
        assert.equal(error.details['refusal'], details?.refusal);
        assert.match(error.message, message ?? /./);
        return true;
      });
    });
  }

  it('[M10] a message between chunks is a sign of life', async () => {
    answer = { events: [{ message: 'still working' }, chunk({ delta: { content: 'ok' }, finish_reason: 'stop' })] };
    assert.equal((await ask()).text, 'ok');
  });

  it('[M08] long arguments in small pieces take no time', async function () {
    this.timeout(90_000);
    const long = JSON.stringify({ expression: 'a}'.repeat(isFull ? 150_000 : 40_000) });
    answer = streamed(...[...long.matchAll(/[\s\S]{1,12}/g)].map(([piece]) => ({ tool_calls: [toolCall(piece)] })));
    const cpuMs = cpuTimer();
    assert.equal((await ask({ signal: AbortSignal.timeout(60_000) })).toolCalls[0]?.arguments, long);
    assert.ok(cpuMs() < 20_000);
  });
});
