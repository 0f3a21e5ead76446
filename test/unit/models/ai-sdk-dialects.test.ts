import assert from 'node:assert/strict';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { aiSdk } from '../../../src/models/ai-sdk/provider.ts';
import type { ModelMessage, ModelReply, ModelRequest, Provider } from '../../../src/models/model.ts';
import { anthropicEvents, assistant, type Block, googleEvents } from '../../helpers/ai-sdk-events.ts';
import {
  type ApiAnswer,
  type ApiRequest,
  type ApiServer,
  NOTHING_SCRIPTED,
  startApiServer,
} from '../../helpers/api-server.ts';

const TOOLS = [{ name: 'files.calculate', description: 'Computes.', parameters: { type: 'object', properties: {} } }];
const HELLO: readonly ModelMessage[] = [{ role: 'user', text: 'x' }];

describe('what language models of the AI SDK take', () => {
  let server: ApiServer;
  let provider: Provider;
  let lessons: string[];
  let answers: ((request: ApiRequest) => ApiAnswer)[];

  beforeEach(async () => {
    answers = [];
    lessons = [];
    server = await startApiServer((request) => answers.shift()?.(request) ?? NOTHING_SCRIPTED);
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (model: string, more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
    provider.model(model).reply({
      system: 'Be brief.',
      messages: HELLO,
      tools: TOOLS,
      signal: AbortSignal.timeout(5_000),
      onLesson: ({ gaveUp }) => lessons.push(gaveUp),
      ...more,
    });
  const useAnthropic = (): void => {
    provider = aiSdk(createAnthropic({ baseURL: `${server.url}/v1`, apiKey: 'k' }), { name: 'anthropic' });
  };

  it('[M03] [M12] is known to the end of a turn that another model began', async () => {
    useAnthropic();
    let isThinking = true;
    const respond = ({ body }: ApiRequest): ApiAnswer => {
      const last = body['messages'].at(-1).content;
      const isBegun = last.some(({ type }: Block) => type === 'tool_result');
      const problem = JSON.stringify(body['messages']).includes('SIG1')
        ? 'messages.1.content.0: Invalid `signature` in `thinking` block'
        : 'temperature' in body
          ? '`temperature` is deprecated for this model.'
          : isBegun && body['thinking']
            ? 'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.'
            : undefined;
      isThinking = body['thinking'] !== undefined;
      if (problem !== undefined)
        return { status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: problem } } };
      const call = { type: 'tool_use', id: `tu_${server.requests.length}`, name: 'files__calculate', input: {} };
      return { events: anthropicEvents([call], 'tool_use') };
    };
    answers.push(
      () => ({
        events: anthropicEvents(
          [
            { type: 'thinking', thinking: 'I must compute.', signature: 'SIG1' },
            { type: 'tool_use', id: 'tu_0', name: 'files__calculate', input: {} },
          ],
          'tool_use',
        ),
      }),
      ...Array.from({ length: 8 }, () => respond),
    );
    const messages: ModelMessage[] = [{ role: 'user', text: 'x' }];
    const more = { effort: 'low', cacheKey: 'ses_1' } as const;
    const add = (reply: ModelReply): void => {
      const toolCallId = reply.toolCalls[0]?.id ?? '';
      messages.push(assistant(reply), { role: 'tool', toolCallId, text: '437' });
    };
    add(await ask('claude-sonnet-4-5', { ...more, messages }));
    const asked: number[] = [];
    for (let call = 0; call < 3; call++) {
      const before = server.requests.length;
      add(await ask('claude-opus-4-1', { ...more, messages, temperature: 0 }));
      asked.push(server.requests.length - before);
    }
    assert.deepEqual([asked, isThinking], [[4, 1, 1], false]);
    messages.push({ role: 'assistant', text: '437' }, { role: 'user', text: 'And now?' });
    await ask('claude-opus-4-1', { ...more, messages, temperature: 0 });
    assert.deepEqual([server.requests.length, isThinking], [8, true]);
  });
});

describe('[M10] how replies of Claude end, over the AI SDK', () => {
  let server: ApiServer;
  let provider: Provider;
  let answer: ApiAnswer;

  beforeEach(async () => {
    server = await startApiServer(() => answer);
    provider = aiSdk(createAnthropic({ baseURL: `${server.url}/v1`, apiKey: 'k' }), { name: 'anthropic' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });
  const ask = (): Promise<ModelReply> =>
    provider
      .model('claude-sonnet-5')
      .reply({ system: '', messages: HELLO, tools: TOOLS, signal: AbortSignal.timeout(5_000) });

  it('one with a reason and without the last event is whole, and its tokens are counted', async () => {
    const call: Block = { type: 'tool_use', id: 'tu_1', name: 'files__calculate', input: {} };
    answer = { events: anthropicEvents([{ type: 'text', text: 'ok' }, call], 'tool_use').slice(0, -1) };
    const { text, toolCalls, finish, usage } = await ask();
    assert.deepEqual([text, toolCalls.length, finish], ['ok', 1, 'tool_calls']);
    assert.deepEqual(
      [usage.inputTokens, usage.cachedTokens, usage.outputTokens, usage.isEstimate],
      [115, 10, 20, false],
    );
    answer = { events: anthropicEvents([{ type: 'text', text: 'ok' }], 'max_tokens').slice(0, -1) };
    assert.equal((await ask()).finish, 'length');
  });

  it('one without a reason is cut off', async () => {
    answer = { events: anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn').slice(0, -2) };
    await assert.rejects(ask(), { type: 'ModelUnavailable', message: /cut off/ });
  });
});

describe('what Gemini takes, over the AI SDK', () => {
  let server: ApiServer;
  let provider: Provider;
  let lessons: string[];
  let refusalOf: (config: Record<string, unknown> | undefined, body: ApiRequest['body']) => string | undefined;

  beforeEach(async () => {
    lessons = [];
    refusalOf = () => undefined;
    server = await startApiServer(({ body }) => {
      const message = refusalOf(body.generationConfig.thinkingConfig, body);
      if (message !== undefined)
        return { status: 400, body: { error: { code: 400, status: 'INVALID_ARGUMENT', message } } };
      const isShown = body.generationConfig.thinkingConfig?.includeThoughts === true;
      return { events: googleEvents([...(isShown ? [{ text: 'Hm.', thought: true }] : []), { text: 'ok' }]) };
    });
    provider = aiSdk(createGoogle({ baseURL: `${server.url}/v1beta`, apiKey: 'k' }), { name: 'google' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
    provider.model('gemini-2.5-flash').reply({
      system: 'Be brief.',
      messages: HELLO,
      signal: AbortSignal.timeout(5_000),
      onReasoning: () => undefined,
      onLesson: ({ gaveUp }) => lessons.push(gaveUp),
      ...more,
    });
  const sent = (): unknown[] => server.requests.map(({ body }) => body.generationConfig.thinkingConfig);

  it('[M17] it is asked to show its thoughts, with an effort and without', async () => {
    assert.deepEqual([(await ask()).reasoning.trim(), (await ask({ effort: 'low' })).reasoning.trim()], ['Hm.', 'Hm.']);
    await ask({ effort: 'none' });
    const [plain, low, none] = sent();
    assert.deepEqual([plain, none], [{ includeThoughts: true }, { thinkingBudget: 0 }]);
    const { thinkingBudget, ...rest } = low as { thinkingBudget: number };
    assert.deepEqual([typeof thinkingBudget, rest], ['number', { includeThoughts: true }]);
  });

  it('[M05] a model that does not think is asked again without, and that is remembered', async () => {
    refusalOf = (config) => (config ? 'Thinking is not enabled for models/gemini-2.0-flash' : undefined);
    assert.equal((await ask()).text, 'ok');
    assert.equal((await ask()).text, 'ok');
    assert.deepEqual([lessons, server.requests.length], [['summary'], 3]);
    assert.equal((await ask({ effort: 'low' })).text, 'ok');
    assert.equal((await ask({ effort: 'low' })).text, 'ok');
    assert.deepEqual(lessons, ['summary', 'reasoning effort']);
  });

  it('[E11] a tool with an open object, and one without arguments, stay', async () => {
    const place = '* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties';
    refusalOf = (_, { tools }) =>
      /"properties":\{\}|"opt":\{"type":"object"/.test(JSON.stringify(tools))
        ? `${place}[opt].properties: should be non-empty for OBJECT type`
        : undefined;
    const odd = {
      name: 'odd',
      description: '',
      parameters: { type: 'object', properties: { opt: { type: 'object' } } },
    };
    const reply = await ask({ tools: [odd, ...TOOLS] });
    assert.deepEqual([reply.text, lessons, reply.toolsLeftOut], ['ok', ['open schemas'], undefined]);
    const [first, second] = server.requests[1]?.body.tools[0].functionDeclarations ?? [];
    assert.deepEqual([first.parametersJsonSchema.properties.opt.type, second.name], ['string', 'files__calculate']);
  });

  it('[M17] it is asked so at Vertex as well, and Claude there is not', async () => {
    const asked: unknown[] = [];
    const at = (owner: string): Provider =>
      aiSdk({
        provider: owner,
        modelId: 'm',
        specificationVersion: 'v4',
        doStream: ({ providerOptions }: { providerOptions?: unknown }) => {
          asked.push(providerOptions);
          throw new Error('enough');
        },
      });
    for (const owner of ['google.vertex.chat', 'vertex.anthropic.messages']) {
      const request = { system: '', messages: HELLO, signal: AbortSignal.timeout(5_000), onReasoning: () => undefined };
      await assert.rejects(at(owner).model('m').reply(request), /enough/);
    }
    const options = { thinkingConfig: { includeThoughts: true } };
    assert.deepEqual(asked, [{ googleVertex: options, vertex: options }, undefined]);
  });

  it('[M05] a model that thinks unseen keeps its effort', async () => {
    refusalOf = (config) =>
      config && 'includeThoughts' in config
        ? 'Invalid JSON payload received. Unknown name "includeThoughts" at \'generation_config.thinking_config\': Cannot find field.'
        : undefined;
    assert.equal((await ask({ effort: 'low' })).text, 'ok');
    assert.deepEqual([lessons, Object.keys(sent()[1] as object)], [['summary'], ['thinkingBudget']]);
  });
});

describe('[M10] answers in one piece, over the AI SDK', () => {
  let server: ApiServer;
  let answer: ApiAnswer;

  beforeEach(async () => (server = await startApiServer(() => answer)));
  afterEach(() => server.close());

  const ask = (name: 'anthropic' | 'google'): Promise<ModelReply> => {
    const settings = { baseURL: `${server.url}/v1`, apiKey: 'k' };
    const source = name === 'google' ? createGoogle(settings) : createAnthropic(settings);
    const request = { system: '', messages: HELLO, tools: TOOLS, signal: AbortSignal.timeout(5_000) };
    return aiSdk(source, { name }).model('m').reply(request);
  };
  const cases = [
    ['anthropic', 'overloaded_error', 'Overloaded', { type: 'ModelUnavailable', message: /Overloaded/ }],
    ['anthropic', 'authentication_error', 'invalid x-api-key', { type: 'ModelRejected', refusal: 'key' }],
    ['anthropic', 'invalid_request_error', 'prompt is too long: 210000 > 200000', { type: 'ContextOverflow' }],
    ['google', 'UNAVAILABLE', 'The model is overloaded.', { type: 'ModelUnavailable', message: /overloaded/ }],
    ['google', 'UNAUTHENTICATED', 'API key not valid.', { type: 'ModelRejected', refusal: 'key' }],
    ['google', 'INVALID_ARGUMENT', 'The input token count exceeds the maximum', { type: 'ContextOverflow' }],
  ] as const;
  for (const [name, code, message, { type, ...more }] of cases) {
    for (const form of name === 'google' ? ['body', 'events'] : ['body']) {
      it(`${name}: ${code} under status 200 (${form})`, async () => {
        const error =
          name === 'google' ? { error: { status: code, message } } : { type: 'error', error: { type: code, message } };
        answer = form === 'body' ? { body: error } : { events: [`data: ${JSON.stringify(error)}\n\n`] };
        await assert.rejects(ask(name), (thrown: Error & { type: string; details: Record<string, unknown> }) => {
          assert.equal(thrown.type, type, thrown.message);
          if ('refusal' in more) assert.equal(thrown.details['refusal'], more.refusal);
          if ('message' in more) assert.match(thrown.message, more.message);
          return true;
        });
      });
    }
  }

  it('words under a plain type are read as well', async () => {
    answer = { headers: { 'content-type': 'text/plain' }, body: 'Unauthorized' };
    for (const name of ['anthropic', 'google'] as const)
      await assert.rejects(
        ask(name),
        ({ details }: { details: Record<string, unknown> }) => details['refusal'] === 'key',
      );
  });

  it('a reply of a server that does not stream is read', async () => {
    const usage = { input_tokens: 10, output_tokens: 5 };
    const content = [
      { type: 'thinking', thinking: 'Hm.', signature: 'SIG' },
      { type: 'text', text: 'I compute.' },
      { type: 'tool_use', id: 'tu_1', name: 'files__calculate', input: {} },
    ];
    answer = {
      body: { type: 'message', id: 'm', model: 'm-1', role: 'assistant', content, stop_reason: 'tool_use', usage },
    };
    const { text, reasoning, toolCalls, finish, model, providerData } = await ask('anthropic');
    assert.deepEqual(
      [text, reasoning.trim(), toolCalls[0]?.name, finish, model],
      ['I compute.', 'Hm.', 'files.calculate', 'tool_calls', 'm-1'],
    );
    assert.match(JSON.stringify(providerData), /SIG/);
  });
});
