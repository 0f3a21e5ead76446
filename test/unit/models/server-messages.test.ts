import assert from 'node:assert/strict';
import type { ModelMessage } from '../../../src/models/model.ts';
import type { ApiRequest } from '../../helpers/api-server.ts';
import { failed, said } from '../../helpers/chat-answers.ts';
import { HELLO, useChatServer } from '../../helpers/chat-world.ts';

type Body = ApiRequest['body'];
interface Kind {
  readonly name: string;
  readonly wordings: readonly string[];
  readonly status?: number;
  readonly isRefused: (body: Body) => boolean;
  readonly messages: readonly ModelMessage[];
  readonly gaveUp: string;
}

const CALLED: readonly ModelMessage[] = [
  ...HELLO,
  { role: 'assistant', text: '', toolCalls: [{ id: 'c1', name: 'get', arguments: '{}' }] },
  { role: 'tool', toolCallId: 'c1', text: '1' },
];
const contents = ({ messages }: Body): unknown[] => messages.map(({ content }: { content: unknown }) => content);

const KINDS: readonly Kind[] = [
  {
    name: 'calls in a request without tools (Bedrock)',
    wordings: [
      'The toolConfig field must be defined when using toolUse and toolResult content blocks.',
      "litellm.UnsupportedParamsError: Bedrock doesn't support tool calling without `tools=` param specified.",
      'Requests which include `tool_use` or `tool_result` blocks must define tools',
    ],
    isRefused: ({ tools, messages }) => !tools && JSON.stringify(messages).includes('tool_calls'),
    messages: CALLED,
    gaveUp: 'calls without tools',
  },
  {
    name: 'an empty message of the model',
    wordings: [
      'Assistant message must have either content or tool_calls, but not none.',
      'Invalid assistant message: content or tool_calls must be set',
      'Unable to submit request because it must include at least one parts field',
      'messages.1: text content blocks must contain non-whitespace text',
    ],
    isRefused: (body) => contents(body).includes(''),
    messages: [...HELLO, { role: 'assistant', text: '' }, ...HELLO],
    gaveUp: 'empty content',
  },
  {
    name: 'null in a template without a guard for it',
    wordings: [
      'Cannot subscript null at row 23, column 40:\n {%- set start = message.content[:3] %}',
      'can only concatenate str (not "NoneType") to str',
      "'NoneType' object is not subscriptable",
    ],
    status: 500,
    isRefused: (body) => contents(body).includes(null),
    messages: CALLED,
    gaveUp: 'null content',
  },
  {
    name: 'an image in a template without them',
    wordings: ['can only concatenate str (not "list") to str'],
    isRefused: (body) => contents(body).some(Array.isArray),
    messages: [{ role: 'user', text: 'Look', images: [{ mediaType: 'image/png', base64: 'AAAA' }] }],
    gaveUp: 'images',
  },
];

describe('[M05] messages that servers refuse are put in another way', () => {
  const chat = useChatServer();
  for (const { name, wordings, status = 400, isRefused, messages, gaveUp } of KINDS) {
    for (const message of wordings) {
      it(`${name}: ${message.slice(0, 40)}`, async () => {
        chat.respond = ({ body }) =>
          isRefused(body) ? failed(status, { error: { message } }) : said({ content: 'ok' });
        assert.equal((await chat.ask({ messages })).text, 'ok');
        assert.deepEqual(chat.lessons, [gaveUp]);
        assert.equal((await chat.ask({ messages })).text, 'ok');
        assert.equal(chat.requests.length, 3, 'it is remembered');
      });
    }
  }
});
