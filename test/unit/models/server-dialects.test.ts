import assert from 'node:assert/strict';
import { FIRST_DIALECT, learn } from '../../../src/models/dialect.ts';
import { classifyApiError } from '../../../src/models/errors.ts';
import type { ModelMessage, ModelReply, ModelRequest, Provider } from '../../../src/models/model.ts';
import { openAi } from '../../../src/models/openai/provider.ts';
import { type ApiAnswer, type ApiRequest, type ApiServer, startApiServer } from '../../helpers/api-server.ts';
import { said } from '../../helpers/chat-answers.ts';

const TOOLS = [{ name: 'get', description: 'Gets.', parameters: { type: 'object', properties: {} } }];
const OUTPUT = {
  name: 'plan',
  schema: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false },
};
const HELLO: readonly ModelMessage[] = [{ role: 'user', text: 'Hello' }];
const IMAGE = { mediaType: 'image/png', base64: 'AAAA' };
const LOOK: readonly ModelMessage[] = [{ role: 'user', text: 'Look', images: [IMAGE] }];
const CALLED: readonly ModelMessage[] = [
  ...HELLO,
  {
    role: 'assistant',
    text: '',
    toolCalls: [{ id: 'functions.get:0', name: 'get', arguments: '{}' }],
    providerData: { provider: 'local:chat', items: [{ message: { citations: ['x'] }, calls: [] }] },
  },
  { role: 'tool', toolCallId: 'functions.get:0', text: '1' },
];

const DRAWN: readonly ModelMessage[] = CALLED.map((message) =>
  message.role === 'tool' ? { ...message, images: [IMAGE] } : message,
);

interface Row {
  readonly name: string;
  readonly status?: number;
  /** The whole body of the error, or its message. */
  readonly body: unknown;
  readonly when: (body: ApiRequest['body']) => boolean;
  readonly request?: Partial<ModelRequest>;
  readonly gaveUp: string[];
  /** Whether it is about one turn, and so is not remembered for others. */
  readonly isOfTurn?: boolean;
}
const forbidden = (...loc: unknown[]): object => ({
  detail: [
    { type: 'extra_forbidden', loc: ['body', ...loc], msg: 'Extra inputs are not permitted', input: 'x'.repeat(900) },
  ],
});
const hasImage = (body: unknown): boolean => JSON.stringify(body).includes('image_url');
const imagesIn = (body: unknown): number => JSON.stringify(body).split('image_url":').length - 1;
const follows = ({ messages }: ApiRequest['body'], first: string, second: string): boolean =>
  (messages as { role: string }[]).some(({ role }, index) => role === second && messages[index - 1]?.role === first);
const ROWS: readonly Row[] = [
  {
    name: 'Mistral',
    status: 422,
    body: forbidden('stream_options'),
    when: (body) => 'stream_options' in body,
    gaveUp: ['usage'],
  },
  {
    name: 'Mistral, with its list under message',
    status: 422,
    body: { object: 'error', message: forbidden('stream_options'), type: 'invalid_request_error' },
    when: (body) => 'stream_options' in body,
    gaveUp: ['usage'],
  },
  {
    name: 'Mistral: a field of its own message',
    status: 422,
    body: forbidden('messages', 2, 'assistant', 'citations'),
    when: (body) => body.messages.some((message: object) => 'citations' in message),
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['citations sent back'],
  },
  {
    name: 'Groq: a field of its own message',
    body: "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'citations' is unsupported)]",
    when: (body) => body.messages.some((message: object) => 'citations' in message),
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['citations sent back'],
  },
  {
    name: 'Mistral: ids',
    body: 'Tool call id was functions.get:0 but must be a-z, A-Z, 0-9, with a length of 9.',
    when: (body) => !/^[a-z0-9]{9}$/i.test(String(body.messages[2].tool_calls[0].id)),
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['foreign ids'],
  },
  {
    name: 'Anthropic: ids',
    body: "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    when: (body) => !/^[\w-]+$/.test(String(body.messages[3].tool_call_id)),
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['foreign ids'],
  },
  {
    name: 'OpenAI: ids',
    body: {
      error: {
        message: "Invalid 'messages[2].tool_calls[0].id': string too long. Expected a string with maximum length 9.",
        code: 'string_above_max_length',
        param: 'messages[2].tool_calls[0].id',
      },
    },
    when: (body) => body.messages[2].tool_calls[0].id.length > 9,
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['foreign ids'],
  },
  {
    name: 'Ollama: null as content',
    body: 'invalid message content type: <nil>',
    when: (body) => body.messages.some(({ content }: { content: unknown }) => content === null),
    request: { messages: CALLED, tools: TOOLS },
    gaveUp: ['null content'],
  },
  {
    name: 'a template whose roles alternate',
    body: 'After the optional system message, conversation roles must alternate user/assistant/user/assistant/...',
    when: (body) => body.messages.length > 2,
    request: { system: '', messages: [...HELLO, ...HELLO, { role: 'user', text: 'You' }] },
    gaveUp: ['equal roles'],
  },
  {
    name: 'vLLM: a limit above the rest of the context',
    body: "This model's maximum context length is 4096 tokens. However, you requested 8100 tokens (100 in the messages, 8000 in the completion).",
    when: (body) => 'max_tokens' in body,
    request: { maxOutputTokens: 8_000 },
    gaveUp: ['the limit of output tokens'],
    isOfTurn: true,
  },
  {
    name: 'TGI: a limit above the rest of the context',
    status: 422,
    body: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 100 `inputs` tokens and 8000 `max_new_tokens`',
    when: (body) => 'max_tokens' in body,
    request: { maxOutputTokens: 8_000 },
    gaveUp: ['the limit of output tokens'],
    isOfTurn: true,
  },
  {
    name: 'DeepSeek: a limit above its own',
    body: 'Invalid max_tokens value, the valid range of max_tokens is [1, 8192]',
    when: (body) => 'max_tokens' in body,
    request: { maxOutputTokens: 9_000 },
    gaveUp: ['max_tokens'],
  },
  {
    name: 'Groq: an effort',
    body: '`reasoning_effort` must be one of `low`, `medium`, or `high`',
    when: (body) => body.reasoning_effort === 'minimal',
    request: { effort: 'minimal' },
    gaveUp: ['effort minimal (low instead)'],
  },
  {
    name: 'vLLM: an effort',
    body: "[{'type': 'literal_error', 'loc': ('body', 'reasoning_effort'), 'msg': \"Input should be 'low', 'medium' or 'high'\"}]",
    when: (body) => body.reasoning_effort === 'xhigh',
    request: { effort: 'xhigh' },
    gaveUp: ['effort xhigh (high instead)'],
  },
  {
    name: 'xAI: an effort',
    body: {
      code: 'Client specified an invalid argument',
      error: 'Model grok-4 does not support parameter reasoningEffort.',
    },
    when: (body) => 'reasoning_effort' in body,
    request: { effort: 'low' },
    gaveUp: ['reasoning effort'],
  },
  {
    name: 'Anthropic: a temperature',
    body: '`temperature` is deprecated for this model.',
    when: (body) => 'temperature' in body,
    request: { temperature: 0 },
    gaveUp: ['temperature'],
  },
  {
    name: 'Nova: a limit above its own',
    body: {
      message: 'The maximum tokens you requested exceeds the model limit of 10000. Try again with a lower value.',
    },
    when: (body) => 'max_tokens' in body || 'max_completion_tokens' in body,
    request: { maxOutputTokens: 20_000 },
    gaveUp: ['max_tokens', 'max_completion_tokens'],
  },
  {
    name: 'Moonshot: a temperature',
    body: 'invalid temperature: only 1 is allowed for this model',
    when: (body) => 'temperature' in body,
    request: { temperature: 0 },
    gaveUp: ['temperature'],
  },
  {
    name: 'DeepSeek: images',
    body: 'messages[1]: unknown variant `image_url`, expected `text`',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
  },
  {
    name: 'Groq: images',
    body: 'messages[1].content must be a string',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
  },
  {
    name: 'vLLM: images',
    body: 'At most 0 image(s) may be provided in one request.',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
  },
  {
    name: 'vLLM: more than one image',
    body: 'At most 1 image(s) may be provided in one request.',
    when: (body) => imagesIn(body) > 1,
    request: { messages: [...LOOK, { role: 'assistant', text: 'I see.' }, ...LOOK] },
    gaveUp: ['more than 1 image'],
  },
  {
    name: 'Groq: more than five images',
    body: 'Too many images provided. This model supports up to 5 images',
    when: (body) => imagesIn(body) > 5,
    request: { messages: [{ role: 'user', text: 'Look', images: Array.from({ length: 7 }, () => IMAGE) }] },
    gaveUp: ['more than 5 images'],
  },
  {
    name: 'Mistral: the images of tools',
    body: "Unexpected role 'user' after role 'tool'",
    when: (body) => follows(body, 'tool', 'user'),
    request: { messages: DRAWN },
    gaveUp: ['user after tool'],
  },
  {
    name: 'a chat template: the images of tools',
    status: 500,
    body: 'Conversation roles must alternate user/assistant/user/assistant/... is not supported',
    when: (body) => follows(body, 'tool', 'user'),
    request: { messages: DRAWN },
    gaveUp: ['user after tool'],
  },
  {
    name: 'llama.cpp: images',
    status: 500,
    body: 'image input is not supported - hint: provide the mmproj',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
  },
  {
    name: 'Anthropic: an image that is damaged',
    body: 'Could not process image',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
    isOfTurn: true,
  },
  {
    name: 'OpenRouter: images',
    status: 404,
    body: 'No endpoints found that support image input',
    when: hasImage,
    request: { messages: LOOK },
    gaveUp: ['images'],
  },
  {
    name: 'OpenRouter: what the provider behind it says',
    body: {
      error: {
        message: 'Provider returned error',
        code: 400,
        metadata: { raw: '{"error":{"message":"Unknown parameter: \'stream_options\'"}}' },
      },
    },
    when: (body) => 'stream_options' in body,
    gaveUp: ['usage'],
  },
  {
    name: 'Gemma: a system message',
    body: 'Developer instruction is not enabled for models/gemma-3-27b-it',
    when: (body) => body.messages[0].role === 'system',
    gaveUp: ['role system'],
  },
  {
    name: 'Gemma: a form',
    body: 'JSON mode is not enabled for models/gemma-3-27b-it',
    when: (body) => 'response_format' in body,
    request: { output: OUTPUT },
    gaveUp: ['output by schema', 'output by json'],
  },
];

describe('[M05] what servers refuse, in their own words', () => {
  let server: ApiServer;
  let provider: Provider;
  let lessons: string[];
  let respond: (request: ApiRequest) => ApiAnswer;

  beforeEach(async () => {
    lessons = [];
    server = await startApiServer((request) => respond(request));
    provider = openAi({ baseUrl: `${server.url}/v1`, name: 'local' });
  });
  afterEach(async () => {
    await provider.close();
    await server.close();
  });
  const ask = (more: Partial<ModelRequest> = {}): Promise<ModelReply> =>
    provider.model('m').reply({
      system: 'Be brief.',
      messages: HELLO,
      signal: AbortSignal.timeout(5_000),
      onLesson: ({ gaveUp }) => lessons.push(gaveUp),
      ...more,
    });

  for (const { name, status = 400, body: told, when, request = {}, gaveUp, isOfTurn = false } of ROWS) {
    it(name, async () => {
      const body = typeof told === 'string' ? { error: { message: told } } : told;
      respond = (received) => (when(received.body) ? { status, body } : said({ content: 'ok' }));
      assert.equal((await ask(request)).text, 'ok');
      assert.equal((await ask(request)).text, 'ok');
      assert.deepEqual(lessons, gaveUp);
      assert.equal((await ask({ ...request, cacheKey: 'another conversation' })).text, 'ok');
      assert.deepEqual(lessons, isOfTurn ? [...gaveUp, ...gaveUp] : gaveUp);
      assert.equal(server.requests.length, 3 + lessons.length);
    });
  }

  const full: Partial<ModelRequest> = {
    messages: [...CALLED, ...LOOK, ...LOOK],
    tools: TOOLS,
    temperature: 0,
    maxOutputTokens: 9,
    effort: 'xhigh',
    output: OUTPUT,
    cacheKey: 'a',
    onReasoning: () => undefined,
  };
  const every =
    "max_tokens max_completion_tokens max_output_tokens temperature stream_options reasoning_effort supported: 'low', 'none' must be set reasoning.summary include prompt_cache_key store strict image stream streaming role system developer not supported citations tool_call_id must roles alternate unexpected role 'user' after role 'tool' at most 1 images content null response_format";
  for (const words of ['no', every, 'context length exceeded, completion of max_tokens']) {
    it(`ends where a server refuses everything: ${words.slice(0, 20)}`, async () => {
      respond = () => ({ status: 400, body: { error: { message: words } } });
      await assert.rejects(ask(full));
      assert.ok(server.requests.length <= 20, String(server.requests.length));

      const request = { system: 'a', messages: HELLO, signal: AbortSignal.timeout(5_000), ...full };
      const error = classifyApiError({ status: 400, headers: new Headers(), body: words }, 'm');
      let dialect = FIRST_DIALECT;
      let count = 0;
      // A body that stays the same, whatever is learnt.
      const body = { ...request, ...(server.requests[0]?.body as object), store: 1, include: [] };
      for (
        let lesson = learn(dialect, { request, body, owner: 'local', error });
        lesson;
        lesson = learn(dialect, { request, body, owner: 'local', error })
      ) {
        ({ dialect } = lesson);
        if (++count > 40) break;
      }
      assert.ok(count <= 20, String(count));
    });
  }
});
