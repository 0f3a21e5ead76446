import assert from 'node:assert/strict';
import type { ModelMessage, ModelReply, ModelRequest } from '../../../src/models/model.ts';
import type { ApiRequest } from '../../helpers/api-server.ts';
import { failed, said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { HELLO, useChatServer } from '../../helpers/chat-world.ts';

const CALCULATE = {
  name: 'calculate',
  description: 'Computes.',
  parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
};
const OUTPUT = {
  name: 'plan',
  schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false },
};
/** By another model. */
const CALLED: readonly ModelMessage[] = [
  { role: 'user', text: 'Compute.' },
  { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'calculate', arguments: '{}' }] },
  { role: 'tool', toolCallId: 'c1', text: '437' },
];

describe('servers of chat completions that refuse or need more', () => {
  const chat = useChatServer();

  describe('[M05] what a server refuses is given up once, and remembered', () => {
    const cases: {
      name: string;
      message: string;
      param?: string;
      when: (body: ApiRequest['body']) => boolean;
      request?: Partial<ModelRequest>;
      gaveUp: string[];
    }[] = [
      {
        name: 'a temperature',
        message:
          "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        param: 'temperature',
        when: (body) => 'temperature' in body,
        request: { temperature: 0 },
        gaveUp: ['temperature'],
      },
      {
        name: 'max_tokens',
        message:
          "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        param: 'max_tokens',
        when: (body) => 'max_tokens' in body,
        request: { maxOutputTokens: 9 },
        gaveUp: ['max_tokens'],
      },
      {
        name: 'either limit',
        message: 'Unknown field: max_tokens or max_completion_tokens',
        when: (body) => 'max_tokens' in body || 'max_completion_tokens' in body,
        request: { maxOutputTokens: 9 },
        gaveUp: ['max_tokens', 'max_completion_tokens'],
      },
      {
        name: 'stream_options',
        message: 'Extra inputs are not permitted: stream_options',
        when: (body) => 'stream_options' in body,
        gaveUp: ['usage'],
      },
      {
        name: 'streaming',
        message: 'Streaming is not supported for this model',
        when: (body) => body.stream === true,
        gaveUp: ['streaming'],
      },
      {
        name: 'a system role',
        message: "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        param: 'messages[0].role',
        when: (body) => body.messages[0].role === 'system',
        gaveUp: ['role system'],
      },
      {
        name: 'a system message (Gemma)',
        message: 'System role not supported',
        when: (body) => body.messages[0].role === 'system',
        gaveUp: ['role system'],
      },
      {
        name: 'tools beside reasoning',
        message:
          "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
        when: (body) => body.tools && body.reasoning_effort !== 'none',
        request: { tools: [CALCULATE] },
        gaveUp: ['reasoning with tools'],
      },
      {
        name: 'an effort',
        message:
          "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'minimal', 'low', 'medium', and 'high'.",
        when: (body) => body.reasoning_effort === 'none',
        request: { effort: 'none' },
        gaveUp: ['effort none (minimal instead)'],
      },
      {
        name: 'any effort',
        message: 'reasoning_effort is not supported by this model',
        when: (body) => 'reasoning_effort' in body,
        request: { effort: 'low' },
        gaveUp: ['reasoning effort'],
      },
      {
        name: 'a schema',
        message: "'response_format.type' must be 'text' or 'json_object'",
        when: (body) => body.response_format?.type === 'json_schema',
        request: { output: OUTPUT },
        gaveUp: ['output by schema'],
      },
      {
        name: 'any form',
        message: 'response_format is not available',
        when: (body) => 'response_format' in body,
        request: { output: OUTPUT },
        gaveUp: ['output by schema', 'output by json'],
      },
      {
        name: 'a strict schema',
        message: "Invalid parameter: 'strict' is not supported",
        when: (body) => body.response_format?.json_schema?.strict === true,
        request: { output: OUTPUT },
        gaveUp: ['strict'],
      },
      {
        name: 'images',
        message: 'This model does not support image input',
        when: (body) => JSON.stringify(body).includes('image_url'),
        request: { messages: [{ role: 'user', text: 'Look', images: [{ mediaType: 'image/png', base64: 'AAAA' }] }] },
        gaveUp: ['images'],
      },
    ];
    for (const { name, message, param = null, when, request = {}, gaveUp } of cases) {
      it(name, async () => {
        chat.respond = ({ body }) =>
          when(body)
            ? { status: 400, body: { error: { message, type: 'invalid_request_error', param } } }
            : said({ content: 'ok' });
        assert.equal((await chat.ask(request)).text, 'ok');
        assert.equal((await chat.ask(request)).text, 'ok');
        assert.deepEqual(chat.lessons, gaveUp);
        assert.equal(chat.requests.length, 2 + gaveUp.length);
      });
    }

    for (const message of [
      'Thinking level is not supported for this model.',
      'adaptive thinking is not supported on this model',
      'Budget 0 is invalid. This model only works in thinking mode.',
      'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
      'Malformed input request: #: extraneous key [thinking] is not permitted, please reformat your input and try again.',
      'Value error, thinking_budget is not supported',
      'Invalid model for reasoning_effort',
    ]) {
      it(`any effort: ${message.slice(0, 40)}`, async () => {
        chat.respond = ({ body }) =>
          'reasoning_effort' in body ? failed(400, { error: { message } }) : said({ content: 'ok' });
        assert.equal((await chat.ask({ effort: 'none', tools: [CALCULATE] })).text, 'ok');
        assert.deepEqual(chat.lessons, ['reasoning effort']);
      });
    }

    it('refuses to guess where nothing is left: tools with no effort that the server takes', async () => {
      chat.respond = ({ body }) => ({
        status: 400,
        body: {
          error: {
            message:
              body.reasoning_effort === 'none'
                ? "reasoning_effort does not support 'none' with this model."
                : "Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
          },
        },
      });
      await assert.rejects(chat.ask({ tools: [CALCULATE] }), { type: 'ModelRejected' });
      assert.equal(chat.requests.length, 2);
    });
  });

  for (const message of [
    'json mode cannot be combined with tool/function calling',
    "Function calling with a response mime type: 'application/json' is unsupported",
  ])
    it(`[M05] a form that is refused beside tools is still sent without them: ${message.slice(0, 20)}`, async () => {
      chat.respond = ({ body }) =>
        body.tools && body.response_format ? failed(400, { error: { message } }) : said({ content: '{}' });
      const both = { tools: [CALCULATE], output: OUTPUT };
      await chat.ask(both);
      await chat.ask({ output: OUTPUT });
      await chat.ask(both);
      assert.deepEqual(chat.lessons, ['output by schema with tools', 'output by json with tools']);
      const sent = chat.requests
        .slice(2)
        .map(({ body }) => [
          body.tools?.length,
          body.response_format?.type,
          /JSON schema/.test(body.messages[0].content),
        ]);
      assert.deepEqual(sent, [
        [1, undefined, true],
        [undefined, 'json_schema', false],
        [1, undefined, true],
      ]);
    });

  describe('[M03] what a server needs back goes back', () => {
    const next = (reply: ModelReply): Partial<ModelRequest> => ({
      tools: [CALCULATE],
      messages: [
        ...HELLO,
        JSON.parse(
          JSON.stringify({
            role: 'assistant',
            text: reply.text,
            toolCalls: reply.toolCalls,
            providerData: reply.providerData,
          }),
        ) as ModelMessage,
        { role: 'tool', toolCallId: reply.toolCalls[0]?.id ?? '', text: '437' },
      ],
    });

    it('reasoning_content (DeepSeek)', async () => {
      chat.respond = ({ body }, call) => {
        if (call === 1)
          return streamed(
            { reasoning_content: 'I must ' },
            { reasoning_content: 'compute.' },
            { tool_calls: [toolCall('{"expression":"1"}')] },
          );
        return body.messages[2].reasoning_content === 'I must compute.'
          ? said({ content: 'ok' })
          : { status: 400, body: { error: { message: 'Missing `reasoning_content` field in the assistant message' } } };
      };
      const heard: string[] = [];
      const first = await chat.ask({ tools: [CALCULATE], onReasoning: (delta) => heard.push(delta) });
      assert.equal(heard.join(''), 'I must compute.');
      assert.equal((await chat.ask(next(first))).text, 'ok');
    });

    it('not where the server refuses it (DeepSeek R1)', async () => {
      chat.respond = ({ body }, call) => {
        if (call === 1) return streamed({ reasoning_content: 'hm' }, { tool_calls: [toolCall('{}')] });
        return body.messages[2]?.reasoning_content === undefined
          ? said({ content: 'ok' })
          : {
              status: 400,
              body: { error: { message: 'The reasoning_content is an intermediate result and must not be sent.' } },
            };
      };
      assert.equal((await chat.ask(next(await chat.ask({ tools: [CALCULATE] })))).text, 'ok');
      assert.deepEqual(chat.lessons, ['reasoning_content sent back']);
    });

    it('thought signatures in calls (Gemini)', async () => {
      const extra = { google: { thought_signature: 'SIG' } };
      chat.respond = ({ body }, call) => {
        if (call === 1) return streamed({ tool_calls: [{ ...toolCall('{"expression":"1"}'), extra_content: extra }] });
        return body.messages[2].tool_calls[0].extra_content?.google.thought_signature === 'SIG'
          ? said({ content: 'ok' })
          : { status: 400, body: [{ error: { code: 400, message: 'Function call is missing a thought_signature' } }] };
      };
      assert.equal((await chat.ask(next(await chat.ask({ tools: [CALCULATE] })))).text, 'ok');
    });

    it('not where it is not valid any more: another account, another model, changed words', async () => {
      const refusals = [
        'messages.1.content.0: Invalid `signature` in `thinking` block',
        'messages.1.content.0: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified.',
        'Corrupted thought signature.',
        'Thought signature is not valid',
        'The encrypted content for item rs_1 could not be verified. Reason: Encrypted content could not be decrypted or parsed.',
        'Words that nobody knows',
      ];
      for (const [index, message] of refusals.entries()) {
        const data = `DATA${index}`;
        chat.respond = ({ body }) => {
          if (JSON.stringify(body.messages).includes(data)) return failed(400, { error: { message } });
          return body.messages.length < 3
            ? streamed({ reasoning_details: [{ type: 'reasoning.encrypted', data }] }, { tool_calls: [toolCall('{}')] })
            : said({ content: 'ok' });
        };
        const first = await chat.ask({ tools: [CALCULATE] });
        const asked = chat.requests.length;
        assert.equal((await chat.ask(next(first))).text, 'ok', message);
        assert.equal((await chat.ask(next(first))).text, 'ok');
        assert.equal(chat.requests.length - asked, 3, 'the second time it is known');
      }
      assert.deepEqual(new Set(chat.lessons), new Set(['reasoning sent back']));
      // What the server sends from then on goes back.
      chat.respond = () => streamed({ reasoning_details: [{ data: 'NEW' }] }, { tool_calls: [toolCall('{}')] });
      await chat.ask(next(await chat.ask({ tools: [CALCULATE] })));
      assert.deepEqual(chat.requests.at(-1)?.body.messages[2].reasoning_details, [{ data: 'NEW' }]);
    });

    it('thinking is left out of a turn whose calls were made without it (Claude)', async () => {
      const message =
        'messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` is enabled, a final `assistant` message must start with a thinking block.';
      chat.respond = ({ body }) =>
        body.reasoning_effort === undefined ? said({ content: 'ok' }) : failed(400, { error: { message } });
      const foreign = { messages: CALLED, effort: 'low' as const };
      assert.equal((await chat.ask(foreign)).text, 'ok');
      assert.deepEqual(chat.lessons, ['thinking in this turn']);
      chat.respond = () => said({ content: 'ok' });
      await chat.ask({ effort: 'low' });
      assert.equal(chat.requests.at(-1)?.body.reasoning_effort, 'low', 'the next turn thinks again');
    });

    it('thinking in the text, before calls and not behind the turn (MiniMax)', async () => {
      const thought = '<think>\nI must compute.\n</think>\n\n';
      chat.respond = () =>
        streamed(
          { content: thought.slice(0, 9) },
          { content: `${thought.slice(9)}I compute.` },
          { tool_calls: [toolCall('{}')] },
        );
      const first = await chat.ask({ tools: [CALCULATE] });
      assert.equal(first.text, 'I compute.');
      await chat.ask(next(first));
      assert.equal(chat.requests[1]?.body.messages[2].content, `${thought}I compute.`);
      chat.respond = () => streamed({ content: `${thought}437` });
      assert.equal((await chat.ask()).providerData, undefined);
    });

    it('not blank lines before calls, which Claude writes and does not take back', async () => {
      chat.respond = () => streamed({ content: '\n\n' }, { tool_calls: [toolCall('{}')] });
      await chat.ask(next(await chat.ask({ tools: [CALCULATE] })));
      assert.equal(chat.requests[1]?.body.messages[2].content, null);
    });

    it('blocks of thinking in pieces without an index, each up to its signature (LiteLLM before Claude)', async () => {
      const thinking = (text: string, signature = ''): object => ({ type: 'thinking', thinking: text, signature });
      const redacted = { type: 'redacted_thinking', data: 'R' };
      const blocks = [
        thinking('one '),
        thinking('two'),
        thinking('', 'S1'),
        redacted,
        thinking('three'),
        thinking('', 'S2'),
      ];
      const whole = [thinking('one '), thinking('two'), thinking('one two', 'S1')];
      const sent = async (pieces: readonly object[]): Promise<unknown> => {
        chat.respond = () =>
          streamed(...pieces.map((piece) => ({ thinking_blocks: [piece] })), { tool_calls: [toolCall('{}')] });
        await chat.ask(next(await chat.ask({ tools: [CALCULATE] })));
        return chat.requests.at(-1)?.body.messages[2].thinking_blocks;
      };
      assert.deepEqual(await sent(blocks), [thinking('one two', 'S1'), redacted, thinking('three', 'S2')]);
      assert.deepEqual(await sent(whole), [thinking('one two', 'S1')]);
    });

    it('signatures of two calls under one index (OpenRouter before Gemini)', async () => {
      const details = ['tool_1', 'tool_2'].map((id) => ({
        type: 'reasoning.encrypted',
        index: 0,
        id,
        data: `of ${id}`,
      }));
      chat.respond = () =>
        streamed(...details.map((detail) => ({ reasoning_details: [detail] })), { tool_calls: [toolCall('{}')] });
      await chat.ask(next(await chat.ask({ tools: [CALCULATE] })));
      assert.deepEqual(chat.requests[1]?.body.messages[2].reasoning_details, details);
    });

    it('reasoning_details in pieces (OpenRouter)', async () => {
      chat.respond = (_request, call) =>
        call === 1
          ? streamed(
              { reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'one ', format: 'a' }] },
              { reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'two', signature: 'S', format: 'a' }] },
              { tool_calls: [toolCall('{}')] },
            )
          : said({ content: 'ok' });
      await chat.ask(next(await chat.ask({ tools: [CALCULATE] })));
      assert.deepEqual(chat.requests[1]?.body.messages[2].reasoning_details, [
        { type: 'reasoning.text', index: 0, text: 'one two', signature: 'S', format: 'a' },
      ]);
    });
  });
});
