import assert from 'node:assert/strict';
import { said, streamed, toolCall } from '../../helpers/chat-answers.ts';
import { useChatServer } from '../../helpers/chat-world.ts';

const CALCULATE = {
  name: 'calculate',
  description: 'Computes.',
  parameters: { type: 'object', properties: { expression: { type: 'string' } }, required: ['expression'] },
};
const WRITE = {
  name: 'write_file',
  description: 'Writes.',
  parameters: { type: 'object', properties: { path: { type: 'string' }, content: { type: 'string' } } },
};
describe('servers of chat completions and the calls of weak models', () => {
  const chat = useChatServer();

  describe('[M08] calls that weak models write are understood', () => {
    const json = '{"name":"calculate","arguments":{"expression":"19 * 23"}}';
    const texts: Record<string, string> = {
      plain: json,
      'fenced, with words before': `I will compute it.\n\`\`\`json\n${json}\n\`\`\``,
      'in tool_call tags': `<tool_call>\n${json}\n</tool_call>`,
      'as XML': '<function=calculate>\n<parameter=expression>\n19 * 23\n</parameter>\n</function>',
      'as an invocation': '<invoke name="calculate"><parameter name="expression">19 * 23</parameter></invoke>',
      'in a list': `[${json}]`,
      'in braces that are doubled': `{${json}}`,
      'with all braces doubled': '{{"name": "calculate", "arguments": {{"expression": "19 * 23"}}}}',
      'with parameters instead of arguments': '{"name": "calculate", "parameters": {"expression": "19 * 23"}}',
      'with marks of Mistral': `[TOOL_CALLS] [${json}]`,
      'after thinking': `<think>I need the tool.</think>\n${json}`,
      'with a prefix and a trailing comma': '{"name": "functions.Calculate", "arguments": {"expression": "19 * 23",}}',
    };
    for (const [name, content] of Object.entries(texts)) {
      it(name, async () => {
        chat.respond = () => streamed(...[...content.matchAll(/[\s\S]{1,7}/g)].map(([piece]) => ({ content: piece })));
        const reply = await chat.ask({ tools: [CALCULATE] });
        assert.deepEqual(
          reply.toolCalls.map(({ name: tool, arguments: text }) => [tool, JSON.parse(text)]),
          [['calculate', { expression: '19 * 23' }]],
        );
        assert.equal(reply.finish, 'tool_calls');
        assert.doesNotMatch(reply.text, /19 \* 23|think/);
      });
    }

    it('and text that only looks like one is left alone', async () => {
      for (const content of [
        '{"name": "Ada", "age": 36}',
        'Use {"name":"other","arguments":{}} to call it.',
        '```json\n{"a": 1}\n```',
      ]) {
        chat.respond = () => said({ content });
        const reply = await chat.ask({ tools: [CALCULATE] });
        assert.deepEqual([reply.text, reply.toolCalls], [content, []]);
      }
    });

    const calls: Record<string, { calls: object[]; expected: unknown }> = {
      'one id for two': {
        calls: [toolCall('{"expression":"1"}'), { ...toolCall('{"expression":"2"}'), index: 1 }],
        expected: [
          ['calculate', '{"expression":"1"}'],
          ['calculate', '{"expression":"2"}'],
        ],
      },
      'encoded twice': {
        calls: [toolCall(JSON.stringify('{"expression":"1"}'))],
        expected: [['calculate', '{"expression":"1"}']],
      },
      'null as arguments': { calls: [toolCall('null')], expected: [['calculate', '{}']] },
      'another case and a prefix': { calls: [toolCall('{}', 'functions.CALCULATE')], expected: [['calculate', '{}']] },
      'a trailing comma': { calls: [toolCall('{"expression":"1",}')], expected: [['calculate', '{"expression":"1"}']] },
      'a raw line break': {
        calls: [toolCall('{"expression":"1\n2"}')],
        expected: [['calculate', '{"expression":"1\\n2"}']],
      },
    };
    for (const [name, { calls: made, expected }] of Object.entries(calls)) {
      it(name, async () => {
        chat.respond = () => streamed({ tool_calls: made });
        const { toolCalls } = await chat.ask({ tools: [CALCULATE] });
        assert.deepEqual(
          toolCalls.map((made) => [made.name, made.arguments]),
          expected,
        );
        assert.equal(new Set(toolCalls.map(({ id }) => id)).size, toolCalls.length);
      });
    }

    it('broken arguments are never sent back, and half a call is never run', async () => {
      chat.respond = () =>
        said(
          { content: null, tool_calls: [toolCall('{"path": "a.txt", "content": "half of i', 'write_file')] },
          'length',
        );
      const [made] = (await chat.ask({ tools: [WRITE] })).toolCalls;
      assert.deepEqual(made && { ...made }, {
        id: 'c1',
        name: 'write_file',
        arguments: '{}',
        problem: 'its arguments were cut off',
      });
      chat.respond = () => said({ content: null, tool_calls: [toolCall('no JSON at all')] });
      assert.deepEqual(
        (await chat.ask({ tools: [CALCULATE] })).toolCalls.map(({ arguments: text, problem }) => [text, problem]),
        [['{}', 'its arguments were not valid JSON']],
      );
    });

    it('the form before tools', async () => {
      chat.respond = () =>
        streamed(
          { function_call: { name: 'calculate', arguments: '{"expres' } },
          { function_call: { arguments: 'sion":"1"}' } },
        );
      assert.deepEqual(
        (await chat.ask({ tools: [CALCULATE] })).toolCalls.map((made) => [made.name, made.arguments]),
        [['calculate', '{"expression":"1"}']],
      );
    });
  });

  describe('[M09] ends are told apart', () => {
    for (const [reason, finish] of Object.entries({
      length: 'length',
      content_filter: 'filtered',
      error: 'failed',
      stop: 'stop',
      eos: 'stop',
    })) {
      it(reason, async () => {
        chat.respond = () => said({ content: 'half' }, reason);
        assert.equal((await chat.ask()).finish, finish);
      });
    }

    it('without a reason, if the server says that it is done', async () => {
      for (const end of [undefined, '', null]) {
        chat.respond = () => ({
          events: [{ choices: [{ delta: { content: 'all' }, finish_reason: end }] }, 'data: [DONE]\n\n'],
        });
        assert.equal((await chat.ask()).text, 'all');
      }
      chat.respond = () => ({ events: [{ choices: [{ delta: { content: 'ha' } }] }] });
      await assert.rejects(chat.ask(), { type: 'ModelUnavailable', message: /cut off/ });
    });

    it('events under application/json, and an answer in one piece under text/event-stream', async () => {
      chat.respond = () => ({ ...streamed({ content: 'ok' }), headers: { 'content-type': 'application/json' } });
      assert.equal((await chat.ask()).text, 'ok');
      chat.respond = () => ({ ...said({ content: 'ok' }), headers: { 'content-type': 'text/event-stream' } });
      assert.equal((await chat.ask()).text, 'ok');
    });
  });
});
