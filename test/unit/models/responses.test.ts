import assert from 'node:assert/strict';
import type { ModelMessage, ModelReply, ModelRequest, Provider } from '../../../src/models/model.ts';
import { openAi } from '../../../src/models/openai/provider.ts';
import { type ApiAnswer, type ApiServer, NOTHING_SCRIPTED, startApiServer } from '../../helpers/api-server.ts';
import { call, events, message, reasoning, ResponsesRules } from '../../helpers/responses-api.ts';

const TOOLS = [
  {
    name: 'calculate',
    description: 'Computes.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } } },
  },
  { name: 'files.read', description: 'Reads.', parameters: { type: 'object', properties: {} } },
];

describe('the Responses API', () => {
  let server: ApiServer;
  let provider: Provider;
  let rules: ResponsesRules;
  let answers: ((input: Record<string, unknown>[]) => ApiAnswer)[];

  beforeEach(async () => {
    answers = [];
    rules = new ResponsesRules();
    server = await startApiServer(({ body }) => {
      const refusal = rules.refusal(body.input);
      if (refusal) return refusal;
      return answers.shift()?.(body.input) ?? NOTHING_SCRIPTED;
    });
    provider = openAi({ baseUrl: `${server.url}/v1/`, apiKey: 'k', api: 'responses', name: 'main' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (messages: readonly ModelMessage[], more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
    provider
      .model('gpt-6-luna')
      .reply({ system: 'Be brief.', messages, tools: TOOLS, signal: AbortSignal.timeout(5_000), ...more });

  it('[M02] is asked without a store, and its reasoning comes back encrypted', async () => {
    answers.push(() => rules.answer([message('hi', 'm1')]));
    const reply = await ask([{ role: 'user', text: 'Hello' }], {
      maxOutputTokens: 50,
      effort: 'low',
      cacheKey: 'ses_1',
    });
    const { body, path, headers } = server.requests[0] ?? assert.fail();
    assert.equal(path, '/v1/responses');
    assert.equal(headers.authorization, 'Bearer k');
    assert.deepEqual(
      { ...body, tools: body.tools.map(({ name, strict }: Record<string, unknown>) => [name, strict]) },
      {
        model: 'gpt-6-luna',
        input: [{ role: 'user', content: 'Hello' }],
        instructions: 'Be brief.',
        store: false,
        include: ['reasoning.encrypted_content'],
        stream: true,
        tools: [
          ['calculate', false],
          ['files__read', false],
        ],
        max_output_tokens: 50,
        reasoning: { effort: 'low' },
        prompt_cache_key: 'ses_1',
      },
    );
    assert.equal(reply.text, 'hi');
    assert.equal(reply.finish, 'stop');
    assert.deepEqual(reply.usage, {
      inputTokens: 30,
      cachedTokens: 10,
      cacheWriteTokens: 0,
      outputTokens: 20,
      reasoningTokens: 8,
      isEstimate: false,
    });
  });

  it('[M03] gets each reasoning item back where it belongs, in order, over rounds of tools', async () => {
    const heard: string[] = [];
    answers.push(() =>
      rules.answer([
        reasoning('rs_1', 'AAA'),
        call('c1', 'calculate', '{"expression":"19*23"}'),
        reasoning('rs_2', 'BBB'),
        call('c2', 'files__read', '{}'),
      ]),
    );
    const messages: ModelMessage[] = [{ role: 'user', text: 'Compute.' }];
    const first = await ask(messages, { onReasoning: (delta) => heard.push(delta) });
    assert.deepEqual(first.toolCalls, [
      { id: 'c1', name: 'calculate', arguments: '{"expression":"19*23"}' },
      { id: 'c2', name: 'files.read', arguments: '{}' },
    ]);
    assert.equal(heard.join('').trim(), 'thinking of rs_1\n\nthinking of rs_2');
    messages.push(
      assistant(first),
      { role: 'tool', toolCallId: 'c1', text: '437' },
      { role: 'tool', toolCallId: 'c2', text: 'a' },
    );
    answers.push(() =>
      rules.answer([
        reasoning('rs_3', 'CCC'),
        message('It is ', 'm1', 'commentary'),
        message('437.', 'm2', 'final_answer'),
      ]),
    );
    const second = await ask(messages);
    assert.equal(second.text, 'It is 437.');
    messages.push(assistant(second), { role: 'user', text: 'Again?' });
    answers.push(() => rules.answer([message('Yes.', 'm3')]));
    await ask(messages);
    const input = server.requests[2]?.body.input as Record<string, unknown>[];
    assert.deepEqual(
      input.map((item) => item['id'] ?? item['call_id'] ?? item['role']),
      ['user', 'rs_1', 'fc_c1', 'rs_2', 'fc_c2', 'c1', 'c2', 'rs_3', 'm1', 'm2', 'user'],
    );
    assert.deepEqual(input[1], reasoning('rs_1', 'AAA'));
    assert.deepEqual(input[2], call('c1', 'calculate', '{"expression":"19*23"}'));
    assert.deepEqual(input[9], message('437.', 'm2', 'final_answer'));
  });

  it('[M03] gets text and calls only if another provider wrote the message', async () => {
    answers.push(() => rules.answer([message('fine', 'm1')]));
    const other = { provider: 'anthropic', items: [{ type: 'reasoning', text: 'secret' }] };
    await ask([
      { role: 'user', text: 'a' },
      {
        role: 'assistant',
        text: 'b',
        toolCalls: [{ id: 'c1', name: 'calculate', arguments: '{}' }],
        providerData: other,
      },
      { role: 'tool', toolCallId: 'c1', text: 'r' },
    ]);
    assert.deepEqual(server.requests[0]?.body.input.slice(1), [
      { role: 'assistant', content: 'b' },
      { type: 'function_call', call_id: 'c1', name: 'calculate', arguments: '{}' },
      { type: 'function_call_output', call_id: 'c1', output: 'r' },
    ]);
  });

  it('[M03] goes on without reasoning that the API does not take back, such as that of another account', async () => {
    const refusals = [
      "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
      "Item 'fc_c1' of type 'function_call' was provided without its required 'reasoning' item: 'rs_1'.",
      'The encrypted content gAAA...Rg== could not be verified.',
    ];
    for (const text of refusals) {
      const refused = { status: 400, body: { error: { message: text, code: 'invalid_encrypted_content' } } };
      answers.push(
        () => rules.answer([reasoning('rs_1', text), call('c1', 'calculate', '{}')]),
        () => {
          rules = new ResponsesRules(); // it has forgotten its items
          return refused;
        },
        () => rules.answer([message('437', 'm1')]),
      );
      const first = await ask([{ role: 'user', text: 'Compute.' }]);
      const messages: ModelMessage[] = [
        { role: 'user', text: 'Compute.' },
        assistant(first),
        { role: 'tool', toolCallId: 'c1', text: '437' },
      ];
      assert.equal((await ask(messages)).text, '437');
      const { body } = server.requests.at(-1) ?? assert.fail();
      assert.deepEqual(body.include, ['reasoning.encrypted_content'], 'and still asks for it');
      assert.deepEqual(body.input[1], { type: 'function_call', call_id: 'c1', name: 'calculate', arguments: '{}' });
    }
  });

  it('[M09] says why a response is incomplete, and tells a refusal from an answer', async () => {
    const cases = [
      { items: [message('half a', 'm1')], incomplete: 'max_output_tokens', finish: 'length' },
      { items: [message('half a', 'm1')], incomplete: 'content_filter', finish: 'filtered' },
      { items: [{ ...message('', 'm1'), content: [{ type: 'refusal', refusal: 'I will not.' }] }], finish: 'refused' },
    ];
    for (const { items, incomplete, finish } of cases) {
      answers.push(() => ({ events: events(items, incomplete) }));
      assert.equal((await ask([{ role: 'user', text: 'x' }])).finish, finish);
    }
    answers.push(() => ({ events: events([message('half', 'm1')]).slice(0, -1) }));
    await assert.rejects(ask([{ role: 'user', text: 'x' }]), { type: 'ModelUnavailable', message: /cut off/ });
  });

  it('[M10] tells errors that come in the middle apart by their codes', async () => {
    const failed = (code: string, text: string): ApiAnswer => ({
      events: [{ type: 'response.failed', response: { status: 'failed', error: { code, message: text } } }],
    });
    answers.push(
      () => failed('server_error', 'oops'),
      () => failed('rate_limit_exceeded', 'Try again in 2.5s.'),
    );
    answers.push(() => failed('invalid_prompt', 'Not allowed.'));
    answers.push(() => ({
      events: [{ type: 'error', code: 'insufficient_quota', message: 'You exceeded your current quota.' }],
    }));
    const messages = [{ role: 'user', text: 'x' }] as const;
    await assert.rejects(ask(messages), { type: 'ModelUnavailable', message: /oops/ });
    await assert.rejects(ask(messages), { type: 'ModelUnavailable', retryAfterMs: 2_500 });
    await assert.rejects(ask(messages), (error: { type: string; details: object }) => {
      return error.type === 'ModelRejected' && 'refusal' in error.details && error.details.refusal === 'policy';
    });
    await assert.rejects(ask(messages), (error: { type: string; details: object }) => {
      return error.type === 'ModelRejected' && 'refusal' in error.details && error.details.refusal === 'credit';
    });
  });

  it('[M02] reads what servers that copy the API leave out, or put in another form', async () => {
    const item = { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'ok' }] };
    const end = {
      output: [item],
      model: 7,
      usage: { input_tokens: '9', output_tokens_details: [] },
      incomplete_details: [],
    };
    answers.push(() => ({ events: [{ type: 'response.completed', response: { ...end, status: 'completed' } }] }));
    answers.push(() => ({ body: { ...end, object: 'response' } }));
    for (const _ of [1, 2]) assert.equal((await ask([{ role: 'user', text: 'x' }])).text, 'ok');
  });

  it('[M02] reads calls and texts that have no events of their own, and counts what the server does not', async () => {
    const messages = [{ role: 'user', text: 'x' }] as const;
    const made = call('c1', 'calculate', '{"expression":"1"}');
    const completed = (response: object): object => ({ type: 'response.completed', response });
    const calls = [
      // Only the last event has the call.
      [
        { type: 'response.output_item.done', output_index: 0, item: reasoning('rs_1', 'e') },
        completed({ status: 'completed', output: [reasoning('rs_1', 'e'), made] }),
      ],
      // The item is never done.
      [
        {},
        { type: 'response.output_item.added', output_index: 0, item: { ...made, arguments: '' } },
        { type: 'response.function_call_arguments.delta', output_index: 0, delta: '{"expr' },
        { type: 'response.function_call_arguments.done', output_index: 0, arguments: '{"expression":"1"}' },
        completed({ status: 'completed', output: [], usage: {} }),
      ],
    ];
    for (const given of calls) {
      answers.push(() => ({ events: given }));
      const reply = await ask(messages);
      assert.deepEqual(
        [
          reply.toolCalls.map(({ id, name, arguments: text }) => [id, name, text]),
          reply.finish,
          reply.usage.isEstimate,
        ],
        [[['c1', 'calculate', '{"expression":"1"}']], 'tool_calls', true],
      );
    }
    answers.push(() => ({
      events: [
        { type: 'response.output_text.delta', delta: 'o' },
        { type: 'response.done', response: { status: 'completed', output: [message('ok', 'm1')] } },
      ],
    }));
    assert.equal((await ask(messages)).text, 'ok');
    answers.push(() => ({ events: [{ type: 'response.cancelled', response: { status: 'cancelled', output: [] } }] }));
    assert.equal((await ask(messages)).finish, 'failed');
  });

  it('[M02] reads events whose type is their name alone', async () => {
    const response = { status: 'completed', output: [message('ok', 'm1')] };
    const named = (name: string, data: object): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    answers.push(
      () => ({
        events: [
          named('response.output_text.delta', { delta: 'o' }),
          named('response.output_text.delta', { delta: 'k' }),
          named('response.completed', { response }),
        ],
      }),
      () => ({ events: [named('error', { code: 'invalid_api_key', message: 'no' })] }),
    );
    const said: string[] = [];
    const hello = [{ role: 'user', text: 'x' }] as const;
    assert.equal((await ask(hello, { onText: (delta) => said.push(delta) })).text, 'ok');
    assert.deepEqual(said, ['o', 'k']);
    await assert.rejects(ask(hello), { type: 'ModelRejected' });
  });

  it('[M02] reads arguments that come in pieces only, and takes no response that has not begun for an empty one', async () => {
    const begun = { ...call('c1', 'calculate', ''), status: 'in_progress' };
    const at = { type: 'response.function_call_arguments.delta', output_index: 0 };
    answers.push(
      () => ({
        events: [
          { type: 'response.output_item.added', output_index: 0, item: begun },
          { ...at, delta: '{"expression":' },
          { ...at, delta: '"1"}' },
          { type: 'response.completed', response: { status: 'completed', output: [] } },
        ],
      }),
      () => ({ body: { status: 'in_progress', output: [] } }),
    );
    const hello = [{ role: 'user', text: 'x' }] as const;
    const { toolCalls, finish } = await ask(hello);
    assert.deepEqual([toolCalls[0]?.arguments, finish], ['{"expression":"1"}', 'tool_calls']);
    assert.equal((await ask(hello)).finish, 'failed');
  });

  it('[M16] takes images of people and of tools', async () => {
    answers.push(() => rules.answer([message('a cat', 'm1')]));
    const image = { mediaType: 'image/png', base64: 'AAAA' };
    await ask([
      { role: 'user', text: 'What is it?', images: [image] },
      { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'calculate', arguments: '{}' }] },
      { role: 'tool', toolCallId: 'c1', text: 'drawn', images: [image] },
    ]);
    const picture = { type: 'input_image', detail: 'auto', image_url: 'data:image/png;base64,AAAA' };
    assert.deepEqual(server.requests[0]?.body.input[0].content, [{ type: 'input_text', text: 'What is it?' }, picture]);
    assert.deepEqual(server.requests[0]?.body.input[2].output, [{ type: 'input_text', text: 'drawn' }, picture]);
  });

  it('[M05] keeps asking for no store, whatever a refusal does not say', async () => {
    const refused = (): ApiAnswer => ({ status: 400, body: { error: { message: 'Bad Request' } } });
    answers.push(refused, refused);
    await assert.rejects(ask([{ role: 'user', text: 'x' }], { temperature: 0 }), { type: 'ModelRejected' });
    const [first, plain] = server.requests.map(({ body }) => body as Record<string, unknown>);
    assert.deepEqual([first?.['temperature'], plain?.['temperature']], [0, undefined]);
    assert.deepEqual([plain?.['store'], plain?.['include']], [false, ['reasoning.encrypted_content']]);
  });

  it('[M05] puts the system message into the input of a server without instructions (xAI)', async () => {
    answers.push(
      () => ({ status: 400, body: { code: 'x', error: 'The parameter instructions is currently not supported.' } }),
      () => rules.answer([message('ok', 'm1')]),
    );
    assert.equal((await ask([{ role: 'user', text: 'x' }])).text, 'ok');
    const { instructions, input } = server.requests[1]?.body ?? {};
    assert.deepEqual([instructions, input[0]], [undefined, { role: 'system', content: 'Be brief.' }]);
  });

  it('[M05] gives up what the model refuses, once', async () => {
    const refuse = (param: string, text: string) => (): ApiAnswer => ({
      status: 400,
      body: { error: { message: text, type: 'invalid_request_error', param, code: 'unsupported_parameter' } },
    });
    answers.push(
      refuse('temperature', "Unsupported parameter: 'temperature' is not supported with this model."),
      refuse('reasoning.summary', 'Your organization must be verified to generate reasoning summaries.'),
      refuse('include', 'Encrypted content is not supported with this model.'),
      refuse(
        'reasoning.effort',
        "Unsupported value: 'minimal' is not supported with this model. Supported values are: 'low', 'medium', and 'high'.",
      ),
      () => rules.answer([message('ok', 'm1')]),
      () => rules.answer([message('ok', 'm1')]),
    );
    const wanted = { temperature: 0, effort: 'minimal', onReasoning: () => undefined } as const;
    await ask([{ role: 'user', text: 'x' }], wanted);
    await ask([{ role: 'user', text: 'x' }], wanted);
    assert.equal(server.requests.length, 6);
    const { temperature, include, reasoning: thinking } = server.requests[5]?.body ?? {};
    assert.deepEqual(
      { temperature, include, thinking },
      { temperature: undefined, include: undefined, thinking: { effort: 'low' } },
    );
  });
});

function assistant({ text, toolCalls, providerData }: ModelReply): ModelMessage {
  // Through JSON, as the session's history keeps it.
  return JSON.parse(JSON.stringify({ role: 'assistant', text, toolCalls, providerData })) as ModelMessage;
}
