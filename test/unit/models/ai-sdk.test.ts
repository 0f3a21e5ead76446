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

const TOOLS = [
  {
    name: 'files.calculate',
    description: 'Computes.',
    parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
  },
];
const IMAGE = { mediaType: 'image/png', base64: 'iVBORw0KGgo=' };

describe('language models of the AI SDK', () => {
  let server: ApiServer;
  let provider: Provider;
  let answers: ((request: ApiRequest) => ApiAnswer)[];

  beforeEach(async () => {
    answers = [];
    server = await startApiServer((request) => answers.shift()?.(request) ?? NOTHING_SCRIPTED);
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });

  const ask = (
    model: string,
    messages: readonly ModelMessage[],
    more: Partial<ModelRequest> = {},
  ): Promise<ModelReply> =>
    provider
      .model(model)
      .reply({ system: 'Be brief.', messages, tools: TOOLS, signal: AbortSignal.timeout(5_000), ...more });

  describe('of Anthropic', () => {
    beforeEach(
      () => (provider = aiSdk(createAnthropic({ baseURL: `${server.url}/v1`, apiKey: 'k' }), { name: 'anthropic' })),
    );

    it('[M04] get their thinking back with its signature, and images of people and tools', async () => {
      const thinking: string[] = [];
      answers.push(() => ({
        events: anthropicEvents(
          [
            { type: 'thinking', thinking: 'I must compute.', signature: 'SIG1' },
            { type: 'text', text: 'Let me see.' },
            { type: 'tool_use', id: 'tu_1', name: 'files__calculate', input: { expression: '19*23' } },
          ],
          'tool_use',
        ),
      }));
      const messages: ModelMessage[] = [{ role: 'user', text: 'What is this times 23?', images: [IMAGE] }];
      const first = await ask('claude-sonnet-5', messages, {
        effort: 'low',
        onReasoning: (delta) => thinking.push(delta),
      });
      assert.equal(first.text, 'Let me see.');
      assert.deepEqual(first.toolCalls, [{ id: 'tu_1', name: 'files.calculate', arguments: '{"expression":"19*23"}' }]);
      assert.equal(first.finish, 'tool_calls');
      assert.equal(thinking.join('').trim(), 'I must compute.');
      assert.deepEqual(
        { ...first.usage },
        {
          inputTokens: 115,
          cachedTokens: 10,
          cacheWriteTokens: 5,
          outputTokens: 20,
          reasoningTokens: 0,
          isEstimate: false,
        },
      );
      messages.push(assistant(first), { role: 'tool', toolCallId: 'tu_1', text: '437', images: [IMAGE] });
      answers.push(() => ({ events: anthropicEvents([{ type: 'text', text: '437' }], 'end_turn') }));
      assert.equal((await ask('claude-sonnet-5', messages, { effort: 'low' })).text, '437');
      const [asked, said, result] = server.requests[1]?.body.messages ?? [];
      assert.equal(asked.content[1].source.data, IMAGE.base64);
      assert.deepEqual(said.content.slice(0, 2), [
        { type: 'thinking', thinking: 'I must compute.', signature: 'SIG1' },
        { type: 'text', text: 'Let me see.' },
      ]);
      assert.deepEqual(
        [said.content[2].type, said.content[2].id, said.content[2].input],
        ['tool_use', 'tu_1', { expression: '19*23' }],
      );
      assert.deepEqual(
        result.content[0].content.map(({ type }: { type: string }) => type),
        ['text', 'image'],
      );
    });

    it('[M10] tell a wrong key, a missing model and an overload apart', async () => {
      const failed = (status: number, type: string, text: string) => (): ApiAnswer => ({
        status,
        headers: status === 529 ? { 'retry-after': '3' } : {},
        body: { type: 'error', error: { type, message: text } },
      });
      answers.push(
        failed(401, 'authentication_error', 'invalid x-api-key'),
        failed(404, 'not_found_error', 'model: claude-9'),
        failed(529, 'overloaded_error', 'Overloaded'),
        failed(400, 'invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
      );
      const hello = [{ role: 'user', text: 'x' }] as const;
      await assert.rejects(ask('m', hello), refusedFor('key'));
      await assert.rejects(ask('claude-9', hello), refusedFor('model'));
      await assert.rejects(ask('m', hello), { type: 'ModelUnavailable', retryAfterMs: 3_000 });
      await assert.rejects(ask('m', hello), { type: 'ContextOverflow' });
    });

    it('[M10] are read past events that nobody knows, and their errors in mid-stream are told apart', async () => {
      const [start, ...rest] = anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn');
      const failed = (type: string, message: string) => (): ApiAnswer => ({
        events: [start, { type: 'error', error: { type, message } }],
      });
      answers.push(
        () => ({ events: [start, { type: 'new_event', index: 7 }, ...rest] }),
        failed('overloaded_error', 'Overloaded'),
        failed('invalid_request_error', 'prompt is too long: 210000 tokens > 200000 maximum'),
        failed('authentication_error', 'invalid x-api-key'),
      );
      const hello = [{ role: 'user', text: 'x' }] as const;
      assert.equal((await ask('m', hello)).text, 'ok');
      await assert.rejects(ask('m', hello), { type: 'ModelUnavailable', message: /Overloaded/ });
      await assert.rejects(ask('m', hello), { type: 'ContextOverflow' });
      await assert.rejects(ask('m', hello), refusedFor('key'));
    });

    it('[M15] cache the tools, the instructions and the conversation, unless their server refuses that', async () => {
      const refusal = 'messages.0.content.0.cache_control: Extra inputs are not permitted';
      answers.push(
        () => ({ events: anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn') }),
        () => ({ status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: refusal } } }),
        () => ({ events: anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn') }),
      );
      const messages: ModelMessage[] = [
        { role: 'user', text: 'x' },
        { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'files.calculate', arguments: '{}' }] },
        { role: 'tool', toolCallId: 'c1', text: '437' },
      ];
      const marked = (index: number): unknown[] => {
        const { system, messages: sent } = server.requests[index]?.body ?? {};
        return [...system, ...sent.flatMap(({ content }: { content: unknown }) => content)].map(
          ({ cache_control: mark }: { cache_control?: unknown }) => mark,
        );
      };
      await ask('claude-sonnet-5', messages, { cacheKey: 'ses_1' });
      const mark = { type: 'ephemeral' };
      assert.deepEqual(marked(0), [mark, undefined, undefined, mark]);
      await ask('claude-sonnet-5', messages, { cacheKey: 'ses_1' });
      assert.deepEqual(marked(2), [undefined, undefined, undefined, undefined]);
    });

    it('[M03] do not get the blank lines back that they write before calls, and keep nothing else than they need', async () => {
      answers.push(
        () => ({
          events: anthropicEvents(
            [
              { type: 'thinking', thinking: '', signature: 'SIG1' },
              { type: 'text', text: '\n\n' },
              { type: 'tool_use', id: 'tu_1', name: 'files__calculate', input: {} },
            ],
            'tool_use',
          ),
        }),
        () => ({ events: anthropicEvents([{ type: 'text', text: '437' }], 'end_turn') }),
      );
      const hello = { role: 'user', text: 'x' } as const;
      const first = await ask('claude-sonnet-5', [hello]);
      const last = await ask('claude-sonnet-5', [
        hello,
        assistant(first),
        { role: 'tool', toolCallId: 'tu_1', text: '1' },
      ]);
      assert.deepEqual(
        server.requests[1]?.body.messages[1].content.map(({ type, signature }: Block) => [type, signature]),
        [
          ['thinking', 'SIG1'],
          ['tool_use', undefined],
        ],
      );
      assert.equal(last.providerData, undefined);
    });

    it('[M10] leave less room for the reply if a long conversation fits, but not with all of the room', async () => {
      const message = (input: number): string =>
        `input length and \`max_tokens\` exceed context limit: ${input} + 64000 > 200000, decrease input length or \`max_tokens\` and try again`;
      const refused = (input: number) => (): ApiAnswer => ({
        status: 400,
        body: { type: 'error', error: { type: 'invalid_request_error', message: message(input) } },
      });
      answers.push(
        refused(150_000),
        () => ({ events: anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn') }),
        refused(199_900),
      );
      const hello = [{ role: 'user', text: 'x' }] as const;
      assert.equal((await ask('claude-sonnet-4-5', hello)).text, 'ok');
      assert.equal(server.requests[1]?.body.max_tokens, 50_000);
      await assert.rejects(ask('claude-sonnet-4-5', hello), { type: 'ContextOverflow' });
      assert.equal(server.requests[2]?.body.max_tokens, 64_000);
    });

    it('[M09] tell that they declined', async () => {
      answers.push(() => ({ events: anthropicEvents([{ type: 'text', text: 'No.' }], 'refusal') }));
      assert.equal((await ask('m', [{ role: 'user', text: 'x' }])).finish, 'refused');
    });

    it('[M10] tell a page of a login from a reply that was cut off', async () => {
      answers.push(() => ({ body: '<html>Sign in</html>', headers: { 'content-type': 'text/html; charset=utf-8' } }));
      await assert.rejects(ask('m', [{ role: 'user', text: 'x' }]), refusedFor('address'));
    });

    it('[M03] are asked again without thinking that they do not take back', async () => {
      const refused = (message: string) => (): ApiAnswer => ({
        status: 400,
        body: { type: 'error', error: { type: 'invalid_request_error', message } },
      });
      answers.push(
        () => ({
          events: anthropicEvents(
            [
              { type: 'thinking', thinking: 'I must compute.', signature: 'SIG1' },
              { type: 'tool_use', id: 'tu_1', name: 'files__calculate', input: {} },
            ],
            'tool_use',
          ),
        }),
        refused('messages.1.content.0: Invalid `signature` in `thinking` block'),
        refused(
          'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.',
        ),
        () => ({ events: anthropicEvents([{ type: 'text', text: '437' }], 'end_turn') }),
      );
      const hello = { role: 'user', text: 'x' } as const;
      const first = await ask('claude-sonnet-4-5', [hello], { effort: 'low' });
      const messages: ModelMessage[] = [hello, assistant(first), { role: 'tool', toolCallId: 'tu_1', text: '437' }];
      assert.equal((await ask('claude-sonnet-4-5', messages, { effort: 'low' })).text, '437');
      const last = server.requests.at(-1)?.body;
      assert.deepEqual([last.thinking, last.messages[1].content.length], [undefined, 1]);
    });

    it('[E11] are asked again without the one tool that Anthropic refuses', async () => {
      const refuse = (): ApiAnswer => ({
        status: 400,
        body: {
          type: 'error',
          error: {
            type: 'invalid_request_error',
            message:
              'tools.1.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level',
          },
        },
      });
      const sent: string[][] = [];
      answers.push(refuse, refuse, ({ body }) => {
        sent.push((body['tools'] as { name: string }[]).map(({ name }) => name));
        return { events: anthropicEvents([{ type: 'text', text: 'ok' }], 'end_turn') };
      });
      const odd = { name: 'files.odd', description: 'Odd.', parameters: { type: 'object', anyOf: [{}] } };
      const reply = await ask('claude-sonnet-5', [{ role: 'user', text: 'x' }], { tools: [...TOOLS, odd] });
      assert.deepEqual([reply.text, reply.toolsLeftOut], ['ok', ['files.odd']]);
      assert.equal(sent[0]?.includes('files__odd'), false);
    });

    it('[M11] are given up after a time without a byte', async () => {
      provider = aiSdk(createAnthropic({ baseURL: `${server.url}/v1`, apiKey: 'k' }), { firstByteMs: 50 });
      answers.push(() => new Promise<ApiAnswer>(() => undefined) as never);
      await assert.rejects(ask('m', [{ role: 'user', text: 'x' }]), {
        type: 'ModelUnavailable',
        message: /no byte came in time/,
      });
    });
  });

  it('[M02] of the Responses API store nothing there, so that reasoning itself comes back', async () => {
    const asked: { providerOptions?: unknown }[] = [];
    const finish = { type: 'finish', finishReason: { unified: 'stop' }, usage: { inputTokens: {}, outputTokens: {} } };
    provider = aiSdk({
      provider: 'azure.responses',
      modelId: 'm',
      specificationVersion: 'v4',
      doStream: (options: never) => {
        asked.push(options);
        return Promise.resolve({ stream: new Blob([]).stream().pipeThrough(ending(finish)) });
      },
    });
    await ask('m', [{ role: 'user', text: 'x' }]);
    assert.deepEqual(asked[0]?.providerOptions, { openai: { store: false }, azure: { store: false } });
  });

  it('[M04] of Google get their thought signatures back', async () => {
    provider = aiSdk(createGoogle({ baseURL: `${server.url}/v1beta`, apiKey: 'k' }), { name: 'google' });
    answers.push(() => ({
      events: googleEvents([
        { text: 'Thinking about it.', thought: true },
        { functionCall: { name: 'files__calculate', args: { expression: '19*23' } }, thoughtSignature: 'SIG2' },
      ]),
    }));
    const messages: ModelMessage[] = [{ role: 'user', text: 'What is 19 * 23?' }];
    const first = await ask('gemini-3-pro', messages);
    assert.deepEqual(
      first.toolCalls.map(({ name, arguments: text }) => [name, text]),
      [['files.calculate', '{"expression":"19*23"}']],
    );
    messages.push(assistant(first), { role: 'tool', toolCallId: first.toolCalls[0]?.id ?? '', text: '437' });
    answers.push(() => ({ events: googleEvents([{ text: '437', thoughtSignature: 'SIG3' }]) }));
    const second = await ask('gemini-3-pro', messages);
    assert.equal(second.text, '437');
    messages.push(assistant(second), { role: 'user', text: 'Thanks' });
    answers.push(() => ({ events: googleEvents([{ text: 'Welcome' }]) }));
    await ask('gemini-3-pro', messages);
    const contents = server.requests[2]?.body.contents as { parts: Record<string, unknown>[] }[];
    const parts = contents.flatMap((content) => content.parts);
    assert.equal(parts.find((part) => 'functionCall' in part)?.['thoughtSignature'], 'SIG2');
    assert.equal(parts.find((part) => part['text'] === '437')?.['thoughtSignature'], 'SIG3');
  });
});

/** A stream of this one part. */
function ending(part: unknown): TransformStream<unknown, unknown> {
  return new TransformStream({ flush: (controller) => controller.enqueue(part) });
}

function refusedFor(refusal: string): (error: { type: string; details: Record<string, unknown> }) => boolean {
  return ({ type, details }) => type === 'ModelRejected' && details['refusal'] === refusal;
}
