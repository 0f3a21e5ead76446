/** Servers whose templates or schemas take fewer roles, texts and tools, and servers that do not say what they refuse. */
import assert from 'node:assert/strict';
import type { ModelMessage, ModelRequest } from '../../../src/models/model.ts';
import type { ApiRequest } from '../../helpers/api-server.ts';
import { failed, said } from '../../helpers/chat-answers.ts';
import { HELLO, useChatServer } from '../../helpers/chat-world.ts';

const TOOLS = [{ name: 'get', description: 'Gets.', parameters: { type: 'object', properties: {} } }];
const MANY = Array.from({ length: 150 }, (_, n) => ({ ...TOOLS[0], name: n < 140 ? `s.t${n}` : `own${n}` }));
const CALLED: readonly ModelMessage[] = [
  ...HELLO,
  { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'get', arguments: '{}' }] },
  { role: 'tool', toolCallId: 'c1', text: '' },
];

interface WireMessage {
  readonly role: string;
  readonly content: unknown;
}
const has =
  (role: string) =>
  (body: ApiRequest['body']): boolean =>
    (body.messages as WireMessage[]).some((message) => message.role === role);
const sends =
  (...names: string[]) =>
  (body: ApiRequest['body']): boolean =>
    names.some((name) => name in body);

type Row = readonly [
  name: string,
  words: string,
  isRefused: (body: ApiRequest['body']) => boolean,
  gaveUp: string[],
  request?: Partial<ModelRequest>,
];
const ROWS: readonly Row[] = [
  ['Gemma at llama.cpp', '500 {{ raise_exception("System role not supported") }}', has('system'), ['role system']],
  ['Mistral, older', 'Conversation roles must alternate user/assistant/user/...', has('system'), ['role system']],
  ['a schema of roles', "messages.0.role: Input should be 'user' or 'assistant'", has('system'), ['role system']],
  [
    'a server from before tools',
    "Invalid value: 'tool'. Supported values are: 'system', 'assistant', 'user' and 'function'.",
    has('tool'),
    ['tools'],
    { messages: CALLED, tools: TOOLS },
  ],
  [
    'DeepSeek',
    'deepseek-reasoner does not support successive user or assistant messages. You should interleave them.',
    ({ messages }) => messages.some(({ role }: WireMessage, at: number) => role === messages[at - 1]?.role),
    ['equal roles'],
    { messages: [...HELLO, ...HELLO] },
  ],
  [
    'Anthropic behind a gateway',
    'messages: text content blocks must be non-empty',
    ({ messages }) => messages.some(({ content }: WireMessage) => content === '' || content === null),
    ['null content', 'empty content'],
    { messages: CALLED, tools: TOOLS },
  ],
  [
    'OpenAI with many tools',
    "Invalid 'tools': array too long. Expected an array with maximum length 128, but got an array with length 150 instead.",
    ({ tools }) => tools.length > 128 || !JSON.stringify(tools).includes('own149'),
    ['more than 128 tools'],
    { tools: MANY as typeof TOOLS },
  ],
  ['no tools', 'Unrecognized request argument supplied: tools', sends('tools'), ['tools'], { tools: TOOLS }],
  [
    'a template without tools',
    'Unable to generate parser for this template. Automatic parser generation failed.',
    sends('tools'),
    ['tools'],
    { tools: TOOLS },
  ],
  [
    'one name of the limit for all',
    'Invalid max_tokens value, the valid range of max_tokens is [1, 50]',
    sends('max_tokens', 'max_completion_tokens'),
    ['max_tokens', 'max_completion_tokens'],
    { maxOutputTokens: 100 },
  ],
  [
    'a server that says nothing',
    'Bad Request',
    sends('stream_options', 'temperature', 'reasoning_effort'),
    ['optional parameters'],
    { temperature: 0, effort: 'high', tools: TOOLS },
  ],
];

describe('[M05] servers that take less', () => {
  const chat = useChatServer();

  for (const [name, words, isRefused, gaveUp, request] of ROWS) {
    it(name, async () => {
      const status = words.startsWith('500') ? 500 : 400;
      chat.respond = ({ body }) =>
        isRefused(body) ? failed(status, { error: { message: words } }) : said({ content: 'ok' });
      for (const _ of [1, 2]) assert.equal((await chat.ask(request)).text, 'ok');
      assert.deepEqual(chat.lessons, gaveUp);
      assert.equal(chat.requests.length, 2 + gaveUp.length);
    });
  }
});
