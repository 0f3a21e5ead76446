import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import type { Model, ModelRequest, Provider } from '../../../src/models/model.ts';
import { openAi } from '../../../src/models/openai/provider.ts';
import { until } from '../../helpers/history.ts';
import { startModelServer, type ModelServer } from '../../helpers/model-server.ts';

const SCHEMA = {
  type: 'object',
  properties: { month: { type: 'string' } },
  required: ['month'],
  additionalProperties: false,
};

describe('model client', () => {
  let server: ModelServer;
  let provider: Provider;
  let model: Model;

  beforeEach(async () => {
    server = await startModelServer();
    provider = openAi({ baseUrl: server.baseUrl, apiKey: 'test-key', firstByteMs: 2_000, betweenBytesMs: 2_000 });
    model = provider.model('m1');
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (more: Partial<ModelRequest> = {}) =>
    model.reply({
      system: 'Be brief.',
      messages: [{ role: 'user', text: 'Hello?' }],
      signal: AbortSignal.timeout(10_000),
      ...more,
    });

  it('hands over the words of a reply as they come', async () => {
    server.script({ text: 'one two three', wordDelayMs: 200 });
    const heard: string[] = [];
    let isWritten = false;
    const onText = (text: string): void => {
      void server.requests[0]?.ended.then(() => (isWritten = true));
      heard.push(isWritten ? `${text} (late)` : text);
    };
    const reply = await ask({ onText });
    assert.deepEqual(heard.slice(0, 2), ['one', ' two'], 'before the server had written all');
    assert.match(heard[2] ?? '', /^ three/);
    assert.equal(heard.length, 3);
    assert.deepEqual(
      { text: reply.text, toolCalls: reply.toolCalls, finish: reply.finish, model: reply.model },
      { text: 'one two three', toolCalls: [], finish: 'stop', model: 'scripted' },
    );
    assert.equal(reply.usage.outputTokens, 4);
  });

  it('sends what was asked for and nothing else', async () => {
    server.script({}, {});
    await ask({ tools: [] });
    await ask({
      temperature: 0.5,
      maxOutputTokens: 99,
      tools: [{ name: 'look', description: 'Looks.', parameters: { type: 'object' } }],
      messages: [
        { role: 'user', text: 'Look.' },
        { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'look', arguments: '{}' }] },
        { role: 'tool', toolCallId: 'c1', text: 'a tree' },
      ],
    });
    assert.deepEqual(server.requests[0]?.body, {
      model: 'm1',
      stream: true,
      stream_options: { include_usage: true },
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello?' },
      ],
    });
    assert.deepEqual(server.requests[1]?.body, {
      ...server.requests[0].body,
      temperature: 0.5,
      max_tokens: 99,
      tools: [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters: { type: 'object' } } }],
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Look.' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: 'a tree' },
      ],
    });
    assert.equal(server.requests[0]?.headers.authorization, 'Bearer test-key');
  });

  it('[M01] sends the fields of the provider with each request, and refuses those that it writes itself', async () => {
    const body = { stop: ['END'], temperature: 1 };
    const own = openAi({ baseUrl: server.baseUrl, body });
    server.script({ text: 'hi' });
    await own.model('m').reply({
      system: '',
      messages: [{ role: 'user', text: 'x' }],
      temperature: 0,
      signal: AbortSignal.timeout(5_000),
    });
    const sent = server.requests.at(-1)?.body as Record<string, unknown> | undefined;
    assert.deepEqual([sent?.['stop'], sent?.['temperature'], sent?.['stream']], [['END'], 1, true]);
    await own.close();
    assert.throws(() => openAi({ baseUrl: server.baseUrl, name: 'x', body: { messages: [] } }), {
      type: 'InvalidConfig',
      message: /providers\.x\.body.*messages of its own/,
    });
  });

  it('sends no made-up key to a server that needs none', async () => {
    server.script({});
    const keyless = openAi({ baseUrl: server.baseUrl });
    await keyless.model('m').reply({
      system: '',
      messages: [{ role: 'user', text: 'x' }],
      signal: AbortSignal.timeout(5_000),
    });
    await keyless.close();
    assert.equal(server.requests[0]?.headers.authorization, undefined);
  });

  it('keeps its connection from call to call', async () => {
    server.script({ text: 'a' }, { text: 'b' }, { status: 500 }, { text: 'c' });
    await ask();
    await setImmediate();
    await ask();
    await setImmediate();
    await assert.rejects(ask());
    await setImmediate();
    await ask();
    assert.equal(new Set(server.requests.map((request) => request.clientPort)).size, 1);
  });

  it('understands a server that answers in plain JSON', async () => {
    server.script({ text: 'plain', plain: true, toolCalls: [{ name: 'look', arguments: { at: 1 } }] });
    const heard: string[] = [];
    const reply = await ask({ onText: (text) => heard.push(text) });
    assert.equal(reply.text, 'plain');
    assert.deepEqual(heard, ['plain']);
    assert.deepEqual(
      reply.toolCalls.map(({ name, arguments: text }) => [name, JSON.parse(text)]),
      [['look', { at: 1 }]],
    );
    assert.equal(reply.finish, 'tool_calls');
  });

  it('estimates the tokens where the server does not count them', async () => {
    server.script({ text: 'A word or two. '.repeat(20), withoutUsage: true });
    const { usage } = await ask();
    assert.deepEqual(
      { outputTokens: usage.outputTokens, isEstimate: usage.isEstimate },
      { outputTokens: 100, isEstimate: true },
    );
    assert.equal(usage.inputTokens, 5);
  });

  it('assembles tool calls that come in pieces', async () => {
    const text = JSON.stringify({ content: 'long '.repeat(100) });
    server.script({
      toolCalls: [
        { id: 'a', name: 'write', arguments: text },
        { id: 'b', name: 'list', arguments: {} },
      ],
    });
    const reply = await ask();
    assert.deepEqual(reply.toolCalls, [
      { id: 'a', name: 'write', arguments: text },
      { id: 'b', name: 'list', arguments: '{}' },
    ]);
    assert.equal(reply.finish, 'tool_calls');
  });

  it('says that the model is unavailable, and for how long, on 429 with retry-after', async () => {
    server.script({ status: 429, headers: { 'retry-after': '2' } });
    await assert.rejects(ask(), { type: 'ModelUnavailable', retryable: true, retryAfterMs: 2_000 });
    assert.equal(server.requests.length, 1, 'the client retried by itself');
  });

  it('leaves the retries of a 500 to its caller', async () => {
    server.script({ status: 500, error: { message: 'overheated' } });
    await assert.rejects(ask(), { type: 'ModelUnavailable', retryable: true, message: /500 overheated/ });
    assert.equal(server.requests.length, 1);
  });

  it('reports a hang-up in mid-stream as retryable, after the words before it', async () => {
    server.script({ text: 'one two three four', hangUpAfterWords: 2 });
    const heard: string[] = [];
    await assert.rejects(ask({ onText: (text) => heard.push(text) }), { type: 'ModelUnavailable', retryable: true });
    assert.deepEqual(heard, ['one', ' two']);
    assert.equal(server.requests[0]?.closedByClient, false);
  });

  it('takes a stream that just ends for cut off', async () => {
    const raw = 'data: {"choices":[{"delta":{"content":"half"}}]}\n\n';
    server.script({ raw, headers: { 'content-type': 'text/event-stream' } });
    await assert.rejects(ask(), { type: 'ModelUnavailable', message: /cut off/ });
  });

  it('reports malformed JSON in the stream as retryable', async () => {
    server.script({ text: 'one two three', malformedAfterWords: 1 });
    await assert.rejects(ask(), { type: 'ModelUnavailable', message: /malformed JSON/ });
    await server.requests[0]?.ended;
    server.script({ text: 'fine' });
    assert.equal((await ask()).text, 'fine');
  });

  it('reports an error inside a stream of status 200', async () => {
    const raw = 'data: {"error":{"message":"the engine is overloaded"}}\n\n';
    server.script(
      { raw, headers: { 'content-type': 'text/event-stream' } },
      { raw: '{"error":{"message":"overloaded, too"}}' },
    );
    await assert.rejects(ask(), { type: 'ModelUnavailable', message: /the engine is overloaded/ });
    await assert.rejects(ask(), { type: 'ModelUnavailable', message: /overloaded, too/ });
  });

  it('gives up a server that is silent for too long, before the reply and within it', async () => {
    const impatient = openAi({ baseUrl: server.baseUrl, firstByteMs: 150, betweenBytesMs: 150 });
    const request = {
      system: '',
      messages: [{ role: 'user', text: 'x' }],
      signal: AbortSignal.timeout(15_000),
    } as const;
    server.script({ text: 'late', delayMs: 20_000 }, { text: 'a b', wordDelayMs: 20_000 });
    await assert.rejects(impatient.model('m').reply(request), {
      type: 'ModelUnavailable',
      message: /no byte came in time/,
    });
    await assert.rejects(impatient.model('m').reply(request), {
      type: 'ModelUnavailable',
      message: /no byte came in time/,
    });
    await impatient.close();
  });

  it('waits for a reply that takes longer than its patience, but comes steadily', async () => {
    const text = Array.from({ length: 45 }, (_, n) => `word${n}`).join(' ');
    server.script({ text, wordDelayMs: 50 });
    assert.equal((await ask()).text, text);
  });

  it('closes the connection at once when aborted, and rejects with the reason', async () => {
    for (const [index, { words, ...delay }] of [
      { words: 0, delayMs: 30_000 },
      { words: 3, wordDelayMs: 30 },
    ].entries()) {
      server.script({ text: 'word '.repeat(1_000), ...delay });
      const controller = new AbortController();
      const reason = new Error('the person pressed Ctrl-C');
      let heard = 0;
      const asked = ask({ signal: controller.signal, onText: () => void (heard += 1) });
      const rejected = assert.rejects(asked, (error) => error === reason);
      const seen = await until('the call', async () => heard >= words && server.requests[index]);
      controller.abort(reason);
      await rejected;
      // By itself it would have ended after half a minute, and not by the client.
      await seen.ended;
      assert.equal(seen.closedByClient, true);
    }
  });

  it('does not call at all when it was aborted before', async () => {
    await assert.rejects(ask({ signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });
    assert.equal(server.requests.length, 0);
  });

  it('asks for structured output by schema', async () => {
    server.script({ json: { month: 'December' } });
    const reply = await ask({ output: { name: 'answer', schema: SCHEMA } });
    assert.deepEqual(JSON.parse(reply.text), { month: 'December' });
    assert.deepEqual(server.requests[0]?.body.response_format, {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: SCHEMA, strict: true },
    });
    server.script({ json: {} });
    await ask({ output: { name: 'answer', schema: { ...SCHEMA, required: [] } } });
    const format = server.requests[1]?.body.response_format;
    assert.equal(format?.type === 'json_schema' && format.json_schema.strict, undefined);
  });

  it('puts the schema into the prompt for servers that refuse it, and remembers that', async () => {
    server.script(
      { status: 400, error: { message: "'response_format.type' must be 'text' or 'json_object'" } },
      { json: { month: 'May' } },
      { json: { month: 'June' } },
    );
    const output = { name: 'answer', schema: SCHEMA };
    assert.equal((await ask({ output })).text, '{"month":"May"}');
    assert.equal((await ask({ output })).text, '{"month":"June"}');
    assert.deepEqual(
      server.requests.map(({ body }) => body.response_format?.type),
      ['json_schema', 'json_object', 'json_object'],
    );
    const system = server.requests[1]?.body.messages[0];
    assert.match(JSON.stringify(system), /Be brief\..*JSON schema.*month/);
  });

  it('falls back to the prompt alone at last, and then speaks of the refusal', async () => {
    server.respond(() => ({ status: 400, error: { message: 'no such parameter' } }));
    await assert.rejects(ask({ output: { name: 'answer', schema: SCHEMA } }), {
      type: 'ModelRejected',
      message: /no such parameter/,
    });
    assert.equal(server.requests.length, 3);
    await assert.rejects(ask(), { type: 'ModelRejected' });
    assert.equal(server.requests.length, 4);
  });

  it('does without parameters that a server names as unknown to it', async () => {
    server.script(
      { status: 422, raw: '{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}' },
      { text: 'ok' },
    );
    assert.equal((await ask()).text, 'ok');
    assert.equal(server.requests[1]?.body.stream_options, undefined);
    server.script(
      {
        status: 400,
        error: { message: "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead." },
      },
      { text: 'ok' },
    );
    assert.equal((await ask({ maxOutputTokens: 5 })).text, 'ok');
    assert.equal(server.requests[3]?.body.max_completion_tokens, 5);
    assert.equal(server.requests[3].body.max_tokens, undefined);
  });

  it('names the problem where nothing listens', async () => {
    const { baseUrl } = server;
    await server.close();
    const cut = openAi({ baseUrl });
    await assert.rejects(
      cut.model('m').reply({
        system: '',
        messages: [{ role: 'user', text: 'x' }],
        signal: AbortSignal.timeout(5_000),
      }),
      { type: 'ModelUnavailable', retryable: true, message: /ECONNREFUSED/ },
    );
  });

  it('fails calls under way when it is closed', async () => {
    server.script({ text: 'a b c', wordDelayMs: 5_000 });
    const pending = assert.rejects(ask(), { type: 'ModelUnavailable' });
    await until('the call', async () => server.requests.length === 1);
    await provider.close();
    await pending;
    await server.requests[0]?.ended;
    assert.equal(server.requests[0]?.closedByClient, true);
  });
});

describe('model client, on a connection that the server closed meanwhile', () => {
  let http: Server;
  afterEach(() => new Promise<void>((resolve) => http.close(() => resolve())));

  it('takes a new one', async () => {
    let calls = 0;
    http = createServer((request, response) => {
      calls++;
      // The second request on a kept connection meets a server that has just given it up.
      if (calls === 2) return void request.socket.resetAndDestroy();
      response.setHeader('content-type', 'application/json');
      request.resume();
      request.on('end', () => response.end('{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'));
    });
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    const provider = openAi({ baseUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}/v1` });
    const model = provider.model('m');
    const request = {
      system: '',
      messages: [{ role: 'user', text: 'x' }],
      signal: AbortSignal.timeout(5_000),
    } as const;
    await model.reply(request);
    assert.equal((await model.reply(request)).text, 'hi');
    assert.equal(calls, 3);
    await provider.close();
  });
});
