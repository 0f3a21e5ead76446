/** Servers that take no tools, not every schema of them, or need fields that other models do not write. */
import assert from 'node:assert/strict';
import type { ModelRequest } from '../../../src/models/model.ts';
import type { ApiAnswer, ApiRequest } from '../../helpers/api-server.ts';
import { failed, said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { useChatServer } from '../../helpers/chat-world.ts';

const told = (status: number, message: string, more: object = {}): ApiAnswer =>
  failed(status, { error: { message, ...more } });

const TOOL = {
  name: 'calculate',
  description: 'Computes.',
  parameters: {
    $schema: 'x',
    type: 'object',
    properties: { expression: { anyOf: [{ type: 'null' }, { type: 'string', pattern: '.' }] }, mode: { const: 'a' } },
    required: ['expression'],
    additionalProperties: false,
  },
};

describe('[M05] servers without tools', () => {
  const chat = useChatServer();
  const later: Partial<ModelRequest> = {
    tools: [TOOL],
    messages: [
      { role: 'user', text: 'Compute twice' },
      {
        role: 'assistant',
        text: 'I will.',
        toolCalls: [
          { id: 'a', name: 'calculate', arguments: '{"expression":"1"}' },
          { id: 'b', name: 'calculate', arguments: '{"expression":"2"}' },
        ],
      },
      { role: 'tool', toolCallId: 'a', text: 'one' },
      { role: 'tool', toolCallId: 'b', text: 'two' },
    ],
  };

  for (const [server, answer] of Object.entries<ApiAnswer>({
    Ollama: told(400, 'registry.ollama.ai/library/gemma3:4b does not support tools', { type: 'api_error' }),
    vLLM: {
      status: 400,
      body: {
        object: 'error',
        message: '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        type: 'BadRequestError',
      },
    },
    OpenRouter: told(
      404,
      'No endpoints found that support tool use. To learn more about provider routing, visit: https://openrouter.ai/docs',
      { code: 404 },
    ),
    'llama.cpp, older': told(500, 'Unsupported param: tools', { type: 'server_error', code: 500 }),
    'llama.cpp': told(500, 'tools param requires --jinja flag', { type: 'server_error', code: 500 }),
    Groq: told(400, '`tool calling` is not supported with this model'),
    Gemini: {
      status: 400,
      body: [
        {
          error: {
            code: 400,
            message: 'Function calling is not enabled for models/gemma-3-27b-it',
            status: 'INVALID_ARGUMENT',
          },
        },
      ],
    },
    DeepSeek: told(400, 'deepseek-reasoner does not support Function Calling'),
    Mistral: {
      status: 422,
      body: {
        object: 'error',
        message: {
          detail: [{ type: 'extra_forbidden', loc: ['body', 'tools'], msg: 'Extra inputs are not permitted' }],
        },
      },
    },
    'Bedrock behind LiteLLM': told(
      400,
      'litellm.BadRequestError: BedrockException - {"message":"This model doesn\'t support tool use."}',
    ),
    LiteLLM: told(
      400,
      "litellm.UnsupportedParamsError: ollama does not support parameters: ['tools'], for model=gemma. To drop these, set `litellm.drop_params=True`",
    ),
    OpenAI: told(400, "Unsupported parameter: 'tools' is not supported with this model.", {
      param: 'tools',
      code: 'unsupported_parameter',
    }),
    Perplexity: told(400, 'Tool calling is not supported for this model'),
    'a template of roles': told(400, 'Only user and assistant roles are supported!'),
  })) {
    it(`${server}: tools stand in the text, and calls are read from it`, async () => {
      chat.respond = ({ body }) =>
        'tools' in body || body.messages.some(({ role }: { role: string }) => role === 'tool')
          ? answer
          : said({ content: 'Well.\n<tool_call>{"name": "calculate", "arguments": {"expression": "3"}}</tool_call>' });
      const reply = await chat.ask(later);
      assert.deepEqual(
        reply.toolCalls.map(({ name, arguments: text }) => [name, JSON.parse(text)]),
        [['calculate', { expression: '3' }]],
      );
      assert.equal(reply.text, 'Well.');
      assert.equal((await chat.ask(later)).toolCalls.length, 1);
      assert.ok(chat.lessons.includes('tools'), chat.lessons.join());
      assert.ok(chat.requests.length <= 4);
      const { messages } = (chat.requests.at(-1) as ApiRequest).body as {
        messages: { role: string; content: string }[];
      };
      const all = messages.map(({ role, content }) => `${role}: ${content}`).join('\n');
      assert.match(all, /Be brief\.\n\nYou can call these tools:\n\{"name":"calculate"/);
      assert.match(
        all,
        /assistant: I will\.\n<tool_call>\{"name": "calculate", "arguments": \{"expression":"1"\}\}<\/tool_call>\n<tool_call>/,
      );
      assert.match(all, /user: <tool_response>\none\n<\/tool_response>\n\n<tool_response>\ntwo\n<\/tool_response>$/);
    });
  }

  for (const [server, message] of Object.entries({
    Gemini:
      'Invalid JSON payload received. Unknown name "additionalProperties" at \'tools[0].function_declarations[0].parameters\': Cannot find field.',
    'llama.cpp': 'Failed to initialize samplers: failed to parse grammar',
    OpenAI:
      "Invalid schema for function 'calculate': schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf' at the top level.",
  })) {
    it(`${server}: schemas of tools go without the keywords that it refuses`, async () => {
      chat.respond = ({ body }) =>
        JSON.stringify(body.tools).includes('additionalProperties') ? told(400, message) : said({ content: 'ok' });
      assert.equal((await chat.ask({ tools: [TOOL] })).text, 'ok');
      assert.deepEqual(chat.lessons, ['schema keywords']);
      assert.deepEqual(chat.requests[1]?.body.tools[0].function.parameters, {
        type: 'object',
        properties: { expression: { type: 'string' }, mode: { enum: ['a'] } },
        required: ['expression'],
      });
    });
  }

  for (const [field, message, has] of [
    [
      'reasoning_content',
      'thinking is enabled but reasoning_content is missing in assistant tool call message at index 2',
      (body) => body.messages[2].reasoning_content === ' ',
    ],
    [
      'reasoning_content',
      'The `reasoning_content` in the thinking mode must be passed back to the API.',
      (body) => body.messages[2].reasoning_content === ' ',
    ],
    [
      'thought_signature',
      'Function call is missing a thought_signature in functionCall parts.',
      (body) => body.messages[2].tool_calls[0].extra_content?.google.thought_signature !== undefined,
    ],
  ] satisfies [string, string, (body: ApiRequest['body']) => boolean][]) {
    it(`[M03] ${field}: calls that another model made are taken`, async () => {
      chat.respond = ({ body }) => (has(body) ? said({ content: 'ok' }) : told(400, message));
      assert.equal((await chat.ask(later)).text, 'ok');
      assert.deepEqual(chat.lessons, [`messages without ${field}`]);
    });
  }
});

describe('[E11] servers that refuse one of several tools', () => {
  const chat = useChatServer();
  const ODD = {
    name: 'files.odd',
    description: 'Odd.',
    parameters: { type: 'object', properties: { a: { enum: [] } } },
  };
  const tools = [TOOL, ODD, { ...TOOL, name: 'other' }];
  const names = ({ body }: ApiRequest): string[] =>
    ((body['tools'] as { function: { name: string } }[] | undefined) ?? []).map((tool) => tool.function.name);

  for (const [server, message, param] of [
    ['OpenAI', "Invalid schema for function 'files__odd': [] is too short.", 'tools[1].function.parameters'],
    ['OpenAI, by the name alone', "Invalid schema for function 'files__odd': [] is too short.", undefined],
    ['Anthropic', 'tools.1.custom.input_schema: JSON schema is invalid.', undefined],
    [
      'Gemini',
      '* GenerateContentRequest.tools[0].function_declarations[1].parameters.properties[a].enum: cannot be empty',
      undefined,
    ],
    ['FastAPI', 'body -> tools -> 1 -> function -> parameters: value is not valid', undefined],
    ['no word of schemas', 'tool files__odd: name is reserved', undefined],
  ] as const) {
    it(`${server}: it is left out by name, the call is made again, and the others keep their schemas`, async () => {
      chat.respond = (request) =>
        names(request).includes('files__odd') ? told(400, message, { param }) : said({ content: 'ok' });
      const reply = await chat.ask({ tools });
      assert.deepEqual([reply.text, reply.toolsLeftOut], ['ok', ['files.odd']]);
      assert.equal(chat.lessons.at(-1), 'tool files.odd');
      const before = chat.requests.length;
      assert.equal((await chat.ask({ tools })).text, 'ok');
      assert.equal(chat.requests.length, before + 1, 'it is remembered');
      const last = chat.requests.at(-1) as ApiRequest;
      assert.deepEqual(names(last), ['calculate', 'other']);
      const [first] = last.body['tools'] as { function: { parameters: unknown } }[];
      assert.deepEqual(first?.function.parameters, TOOL.parameters);
      const mended = { ...ODD, parameters: { type: 'object', properties: {} } };
      chat.respond = () => said({ content: 'ok' });
      assert.equal((await chat.ask({ tools: [mended] })).toolsLeftOut, undefined, 'another schema is tried again');
    });
  }

  it('one whose description is too long is shortened and not left out (Azure)', async () => {
    const message =
      "Invalid 'tools[0].function.description': string too long. Expected a string with maximum length 1024.";
    chat.respond = ({ body }) =>
      body.tools[0].function.description.length > 1_024 ? told(400, message) : said({ content: 'ok' });
    const reply = await chat.ask({ tools: [{ ...TOOL, description: 'x'.repeat(1_500) }] });
    assert.deepEqual([reply.text, reply.toolsLeftOut], ['ok', undefined]);
    assert.deepEqual(chat.lessons, ['descriptions of tools beyond 1024 characters']);
  });

  it('one with an open object or list stays: the object is asked for as text and read back (Gemini)', async () => {
    const parameters = {
      type: 'object',
      properties: {
        name: { type: 'string' },
        opt: { type: 'object', description: 'Options.' },
        list: { type: 'array' },
        nested: { type: 'object', properties: { map: { anyOf: [{ type: 'object' }, { type: 'null' }] } } },
      },
    };
    const open = { ...ODD, parameters };
    const bare = { ...ODD, name: 'files.bare', parameters: { type: 'object', properties: {} } };
    const place = '* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties';
    chat.respond = ({ body }) => {
      const [{ function: first }, { function: second }] = body.tools;
      if (first.parameters.properties.opt.type === 'object' || second.parameters)
        return told(400, `${place}[opt].properties: should be non-empty for OBJECT type`);
      if (!first.parameters.properties.list.items) return told(400, `${place}[list].items: missing field`);
      return streamed({
        tool_calls: [toolCall('{"name":"{}","opt":"{\\"a\\":1}","list":["b"],"nested":{"map":"{}"}}', 'files__odd')],
      });
    };
    const reply = await chat.ask({ tools: [open, bare] });
    assert.deepEqual([chat.lessons, reply.toolsLeftOut], [['open schemas'], undefined]);
    assert.deepEqual(JSON.parse(reply.toolCalls[0]?.arguments ?? ''), {
      name: '{}',
      opt: { a: 1 },
      list: ['b'],
      nested: { map: {} },
    });
    const text = { type: 'string', description: '(an object, as JSON text)' };
    assert.deepEqual(chat.requests.at(-1)?.body.tools[0].function.parameters.properties, {
      name: { type: 'string' },
      opt: { type: 'string', description: 'Options. (an object, as JSON text)' },
      list: { type: 'array', items: { type: 'string' } },
      nested: { type: 'object', properties: { map: { anyOf: [text, { type: 'null' }] } } },
    });
  });

  it('many that are refused one after the other are all left out', async () => {
    const many = Array.from({ length: 40 }, (_, index) => ({ ...ODD, name: `odd_${index}` }));
    chat.respond = (request) => {
      const bad = names(request).find((name) => name.startsWith('odd_'));
      return bad === undefined ? said({ content: 'ok' }) : told(400, `Invalid schema for function '${bad}': no.`);
    };
    const reply = await chat.ask({ tools: [...many, TOOL] });
    assert.deepEqual([reply.text, reply.toolsLeftOut?.length], ['ok', 40]);
  });

  it('a refusal that names no tool is not held against one', async () => {
    chat.respond = () => told(400, 'this request is not for me');
    await assert.rejects(chat.ask({ tools }), { type: 'ModelRejected' });
    assert.equal(chat.requests.length, 1);
  });
});
