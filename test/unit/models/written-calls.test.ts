import assert from 'node:assert/strict';
import { readCalls } from '../../../src/models/reading/calls.ts';
import { findWrittenCalls } from '../../../src/models/reading/written-calls.ts';
import { cpuTimer } from '../../helpers/cpu-time.ts';
import { someOf } from '../../helpers/full.ts';

const TOOLS = [
  {
    name: 'calculate',
    description: '',
    parameters: { type: 'object', properties: { expression: { type: 'string' } } },
  },
  {
    name: 'write_file',
    description: '',
    parameters: { type: 'object', properties: { path: { type: 'string' }, content: { type: 'string' } } },
  },
];
const A = '{"expression":"19 * 23"}';
const J = `{"name":"calculate","arguments":${A}}`;
const W = '{"name":"write_file","arguments":{"path":"a.md","content":"# T\\n```js\\ncode\\n```\\nend"}}';

const CALLS: readonly string[] = [
  J,
  `\`\`\`json\n${J}\n\`\`\``,
  `I do it.\n\`\`\`json\n${J}\n\`\`\``,
  `<tool_call>\n${J}\n</tool_call>`,
  `<tool_call>${J}`,
  `ok <tool_call>${J}</tool_call>`,
  '<function=calculate>\n<parameter=expression>\n19 * 23\n</parameter>\n</function>',
  `<function=calculate>${A}</function>`,
  `<function=calculate${A}</function>`,
  `<function=calculate ${A}</function>`,
  `<function(calculate)${A}</function>`,
  `<function/calculate>${A}</function>`,
  `calculate${A}</function>`,
  `calculate ${A}`,
  '<minimax:tool_call>\n<invoke name="calculate">\n<parameter name="expression">19 * 23</parameter>\n</invoke>\n</minimax:tool_call>',
  '<｜DSML｜function_calls>\n<｜DSML｜invoke name="calculate">\n<｜DSML｜parameter name="expression" string="true">19 * 23</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
  `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>calculate\n\`\`\`json\n${A}\n\`\`\`<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  `<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>calculate<｜tool▁sep｜>${A}<｜tool▁call▁end｜><｜tool▁calls▁end｜>`,
  `<|tool_calls_section_begin|><|tool_call_begin|>functions.calculate:0<|tool_call_argument_begin|>${A}<|tool_call_end|><|tool_calls_section_end|>`,
  `[TOOL_CALLS]calculate${A}`,
  `[TOOL_CALLS]calculate[CALL_ID]abc123456[ARGS]${A}`,
  `[TOOL_CALLS][${J}]`,
  `[TOOL_CALLS]calculate[ARGS]${A}`,
  `[TOOL_CALLS] ${J}`,
  `TOOL_CALLS [${J}]`,
  `[TOOL_REQUEST]\n${J}\n[END_TOOL_REQUEST]`,
  `Action: \`\`\`json\n[{"tool_name":"calculate","parameters":${A}}]\n\`\`\``,
  `Action:\n\`\`\`json\n[{"tool_name":"calculate","parameters":${A}}]\n\`\`\``,
  `<|START_ACTION|>[{"tool_call_id":"0","tool_name":"calculate","parameters":${A}}]<|END_ACTION|>`,
  `Thought: hm\nAction: calculate\nAction Input: ${A}`,
  `Thought: hm\nAction: calculate\nAction Input: ${A}\nObservation: 437\nThought: done`,
  `<|tool_call|>[${J}]<|/tool_call|>`,
  `functools[${J}]`,
  `<|action_start|><|plugin|>\n{"name":"calculate","parameters":${A}}<|action_end|>`,
  `<|python_tag|>{"type":"function","name":"calculate","parameters":${A}}<|eom_id|>`,
  `<|python_tag|>calculate.call(expression="19 * 23")`,
  `[calculate(expression="19 * 23")]`,
  `calculate(expression='19 * 23')`,
  '```tool_code\nprint(default_api.calculate(expression="19 * 23"))\n```',
  `<tool_call>calculate\n<arg_key>expression</arg_key>\n<arg_value>19 * 23</arg_value>\n</tool_call>`,
  `<|channel|>commentary to=functions.calculate <|constrain|>json<|message|>${A}<|call|>`,
  `<start_function_call>call:calculate{expression:<escape>19 * 23<escape>}<end_function_call>`,
  `<|tool_call>call:calculate{expression:<|"|>19 * 23<|"|>}<tool_call|>`,
  `${J}<|im_end|>`,
  `${J}</s>`,
  `{"name":"calculate","arguments":{"expression":"19 * 23"}`,
  `<tool_call>{"name":"calculate","arguments":{"expression":"19 * 23"}</tool_call>`,
  "{'name': 'calculate', 'arguments': {'expression': '19 * 23'}}",
  `{"tool_calls":[{"id":"1","type":"function","function":{"name":"calculate","arguments":"{\\"expression\\":\\"19 * 23\\"}"}}]}`,
  `<tool_calls>[${J}]</tool_calls>`,
  `<tools>${J}</tools>`,
  '```\n' + J + '\n```',
  '```xml\n<tool_call>' + J + '</tool_call>\n```',
  `I use it:\n\n${J}`,
  `<function_call> ${J} </function_call>`,
  '```json\n' + J + '```',
  `<｜tool▁call▁begin｜>calculate<｜tool▁sep｜>${A}`,
  '<|tool_call_start|>[calculate(expression="19 * 23")]<|tool_call_end|>',
  '<|python_start|>[calculate(expression="19 * 23")]<|python_end|>',
  '<function_calls>\ncalculate(expression="19 * 23")\n</function_calls>',
  `<TOOLCALL>[${J}]</TOOLCALL>`,
  `<|tools_prefix|>[{"calculate":${A}}]<|tools_suffix|>`,
  `>>>calculate\n${A}`,
  `<|recipient|>calculate\n<|content|>${A}`,
  `<|start|>assistant to=functions.calculate<|channel|>commentary json<|message|>${A}<|call|>`,
  `<tool-use>{"tool_calls":[{"function":{"name":"calculate"},"parameters":${A}}]}</tool-use>`,
  '<calculate>\n<expression>19 * 23</expression>\n</calculate>',
  `<tool name="calculate">${A}</tool>`,
  `<tool_call><name>calculate</name><arguments>${A}</arguments></tool_call>`,
  '<tool_call>\n<tool_name>calculate</tool_name>\n<parameters>\n<expression>19 * 23</expression>\n</parameters>\n</tool_call>',
  '<tool_calls>\n<tool_call>calculate<tool_sep>\n<arg_key>expression</arg_key>\n<arg_value>19 * 23</arg_value>\n</tool_call>\n</tool_calls>',
  '<invoke name="calculate"><parameter name="expression"><![CDATA[19 * 23]]></parameter></invoke>',
  `{"calculate":${A}}`,
  '{"tool":"calculate","expression":"19 * 23"}',
  `{"function_call":{"name":"calculate","kwargs":${A}}}`,
  `\`\`\`function_call\n${J}\n\`\`\``,
  'Action: calculate\nAction Input: 19 * 23\nObservation: 437',
  `${J}\nObservation: 437\nThe answer is 437.`,
  `${J}\n\`\`\`\n\n\`\`\``,
  `${J}\n{"status": "failed", "summary": "There is no such tool."}`,
  `<tool_call>${J}</tool_call>\n<tool_response>437</tool_response>\nThe answer is 437.`,
  `I use this: ${J}`,
  `\`${J}\``,
  `${J}}`,
];
const LONG: readonly string[] = [
  W,
  `<tool_call>${W}</tool_call>`,
  `\`\`\`json\n${W}\n\`\`\``,
  '<function=write_file>\n<parameter=path>a</parameter>\n<parameter=content>\nfoo bar\n</parameter>\n</function>',
  '[write_file(path="a", content="foo, b=1 (bar")]',
];
const SHOWN: readonly string[] = [
  `Use ${J} to call it.`,
  `To call the tool, write JSON like this:\n\n\`\`\`json\n${J}\n\`\`\`\n\nIt then computes the product.`,
  `Here is an example:\n\`\`\`json\n${J}\n\`\`\``,
  `The format is:\n${J}`,
  `Wrap it in \`<tool_call>${J}</tool_call>\`.`,
  `You write <tool_call>${J}</tool_call> in the answer, and the server runs it.`,
  `Hermes writes:\n\`\`\`\n<tool_call>\n${J}\n</tool_call>\n\`\`\`\nwhere the name is the tool.`,
  '```python\ncalculate(expression="1")\n```',
  'You can call `calculate(expression="1")`.',
  '```json\n{"name":"Ada"}\n```',
  '{"name":"calculate","price":3}',
  'calculate(x)',
  '[calculate]',
  'calculate',
  'calculate is a tool',
  '<b>calculate</b>',
  'Use `<function=calculate>{"expression":"1"}</function>` for it.',
  '{"action":"calculate","note":"x"}',
  '{"calculate":{"price":3}}',
  '{"calculate":"19 * 23"}',
  '<calculate><price>3</price></calculate>',
  `An example: ${J}`,
];

describe('[M08] calls that stand in the text', () => {
  for (const text of CALLS) {
    it(JSON.stringify(text).slice(0, 90), () => {
      const found = findWrittenCalls(text, TOOLS, false);
      assert.deepEqual(
        found?.calls.map((call) => [
          call.name,
          (JSON.parse(call.arguments) as { expression: string }).expression.trim(),
        ]),
        [['calculate', '19 * 23']],
      );
      assert.match(found?.text ?? '', /^(I|ok|Thought: hm|Action:|)[^<>[\]{}]*$/);
    });
  }

  it('are not there if they are only shown', () => {
    for (const text of SHOWN) assert.equal(findWrittenCalls(text, TOOLS, false), undefined, text);
  });

  it('are whole, or none, wherever the reply was cut off', () => {
    for (const text of [...CALLS, ...LONG]) {
      const whole = findWrittenCalls(text, TOOLS, false)?.calls[0]?.arguments ?? '';
      for (let length = 1; length < text.length; length++) {
        const cut = findWrittenCalls(text.slice(0, length), TOOLS, true)?.calls[0]?.arguments;
        if (cut !== undefined) assert.deepEqual(JSON.parse(cut), JSON.parse(whole), text.slice(0, length));
      }
    }
  });

  it('are found in a short time, however long the text', () => {
    for (const part of [
      ' ',
      '\n',
      '{',
      '<tool_call>',
      '<tool_call>{',
      '```json\n{',
      '"',
      '[calculate(',
      '}\n',
      '\n{',
      '`',
      '<calculate>',
      '<calculate><expression>',
      '<a></a>',
      '<tool_call><name>a</name><arguments>',
    ]) {
      for (const before of someOf(['', '<tool_call>a', '<calculate>', '{', '}', '\n'], 2)) {
        const text = `${before}${part.repeat(200_000 / part.length)}x`;
        const cpuMs = cpuTimer();
        findWrittenCalls(text, TOOLS, false);
        assert.ok(cpuMs() < 10_000, JSON.stringify([before, part]));
      }
    }
  });

  it('have names without the tokens of templates, ids of their own, and come out of a bundle', () => {
    const read = (name: string, text = '{}', id = 'a'): unknown =>
      readCalls([{ id, name, arguments: text }], {
        tools: TOOLS,
        idPrefix: 'call_9',
        isCut: false,
        usedIds: new Set(['call_0']),
      }).map((call) => [call.id, call.name, call.arguments]);
    for (const name of [
      'calculate<|channel|>commentary',
      'functions.calculate:0',
      'default_api.calculate',
      'Calculate()',
    ])
      assert.deepEqual(read(name), [['a', 'calculate', '{}']]);
    assert.deepEqual(read('calculate', '{}', 'call_0'), [['call_9_0', 'calculate', '{}']]);
    const uses = [1, 2].map((n) => ({ recipient_name: 'functions.calculate', parameters: { expression: String(n) } }));
    assert.deepEqual(read('multi_tool_use.parallel', JSON.stringify({ tool_uses: uses })), [
      ['call_9_0', 'calculate', '{"expression":"1"}'],
      ['call_9_1', 'calculate', '{"expression":"2"}'],
    ]);
  });
});
