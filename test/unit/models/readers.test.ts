import assert from 'node:assert/strict';
import fc from 'fast-check';
import { z } from 'zod';
import { PlanProposal } from '../../../src/contracts/turn.ts';
import { readCalls } from '../../../src/models/reading/calls.ts';
import { readStructured } from '../../../src/models/reading/structured.ts';
import { filterThinking } from '../../../src/models/reading/thinking.ts';
import { findWrittenCalls } from '../../../src/models/reading/written-calls.ts';

const Plan = z.object({
  title: z.string(),
  count: z.number(),
  done: z.boolean(),
  steps: z.array(z.object({ task: z.string(), note: z.string().optional() })),
});
const SCHEMA = z.toJSONSchema(Plan);
const PLAN = { title: 'T', count: 2, done: true, steps: [{ task: 'a' }] };
const JSON_PLAN = JSON.stringify(PLAN);
const TOOLS = [{ name: 'get', description: '', parameters: { type: 'object', properties: { a: { type: 'string' } } } }];

function think(text: string, size = text.length): { answer: string; thought: string } {
  let thought = '';
  const filter = filterThinking(
    () => undefined,
    (delta) => (thought += delta),
  );
  for (let at = 0; at < text.length; at += size) filter.add(text.slice(at, at + size));
  return { answer: filter.finish(), thought: thought.trim() };
}

describe('readers of what models write', () => {
  const blocks: Record<string, string> = {
    DeepSeek: '<think>\nhm\n</think>\n\nYes.',
    'DeepSeek, with an empty block': '<think>\n\n</think>\n\nYes.',
    'Qwen, whose template began it': 'hm\n</think>\n\nYes.',
    'Seed-OSS': '<seed:think>hm</seed:think>Yes.',
    Magistral: '[THINK]hm[/THINK]Yes.',
    'Kimi-VL': '◁think▷hm◁/think▷Yes.',
    'Command A': '<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>',
    Sky: '<|begin_of_thought|>hm<|end_of_thought|>\n<|begin_of_solution|>Yes.<|end_of_solution|>',
    'gpt-oss': '<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes.<|return|>',
    'Gemma 4': '<|channel>thought\nhm<channel|>Yes.',
    'two blocks': '<think>hm</think><think>hm</think>Yes.',
    'capital letters that grow': '<think>İİİİİİİİ</THINK>Yes.',
    'a token behind it': 'Yes.<|im_end|>\n</s>',
  };
  for (const [name, text] of Object.entries(blocks)) {
    it(`[M17] thinking of ${name}`, () => {
      for (const size of [1, 3, 1_000]) assert.equal(think(text, size).answer, 'Yes.');
    });
  }
  it('[M17] an answer that speaks of thinking stays', () => {
    for (const text of [
      'The model writes <think>x</think> before its answer.',
      'The block ends with `</think>`, and then comes the answer.',
      'Its end is "</think>".',
      '```xml\n<a>\n</think>\n```',
      '<b>think</b>',
      'I think <think> is a tag.',
    ])
      for (const size of [1, 1_000]) assert.equal(think(text, size).answer, text);
  });
  it('[M17] thinking that does not end is no answer', () => {
    assert.deepEqual(think('<think>hm, well'), { answer: '', thought: 'hm, well' });
  });

  const plans: Record<string, string> = {
    'with comments': `{// yes\n"title":"T",/* two */"count":2,"done":true,"steps":[{"task":"a"}]}`,
    'as Python': "{'title': 'T', 'count': 2, 'done': True, 'steps': [{'task': 'a', 'note': None}]}",
    'encoded twice': JSON.stringify(JSON_PLAN),
    'with a list in a text': JSON.stringify({ ...PLAN, steps: JSON.stringify(PLAN.steps) }),
    'in a wrapper beside words': JSON.stringify({ reasoning: 'because', plan: PLAN }),
    'behind a bracket that is never closed': `Note [1: here it comes. ${JSON_PLAN}`,
    'behind an example in brackets': `I use {braces} and [lists].\n${JSON_PLAN}`,
    'behind thinking with another': `<think>{"title":"no"}</think>${JSON_PLAN}`,
    'as lines': 'Title: T\n**Count:** 2\n- Done: true\nSteps: [{"task":"a"}]',
    'with a token behind': `${JSON_PLAN}<|im_end|>`,
    'in YAML': '```yaml\ntitle: T\ncount: 2\ndone: true\nsteps:\n  - task: a\n```',
    'with numbered steps, and 1 for true': '{"title":"T","count":2,"done":1,"steps":{"1":{"task":"a"}}}',
    'in JSON5': "{title:'T',count:2,done:true,steps:[{task:'a'},],}",
  };
  for (const [name, text] of Object.entries(plans)) {
    it(`[M06] a plan ${name}`, () => {
      assert.deepEqual(Plan.parse(readStructured(text, SCHEMA)), PLAN);
    });
  }
  for (const text of [
    '# Plan\n\n1. **researcher**: Find it.\n2. **writer**: Write it.\n\nShall I begin?',
    '1. (researcher) Find it.\n2. (writer) Write it.',
    '- researcher: Find it.\n- writer: Write it.',
    '* Step 1: Find it. (agent: researcher)\n* Step 2: Write it. [writer]',
  ]) {
    it(`[M06] a list of steps: ${text.slice(0, 20).replaceAll('\n', ' ')}`, () => {
      const { steps } = PlanProposal.parse(readStructured(text, z.toJSONSchema(PlanProposal)));
      assert.deepEqual(
        steps.map(({ agent, task }) => [agent, task]),
        [
          ['researcher', 'Find it.'],
          ['writer', 'Write it.'],
        ],
      );
    });
  }
  it('[M06] a text with a fence in it stays whole', () => {
    const plan = { ...PLAN, title: 'Run:\n```sh\nls\n```\nand look' };
    for (const text of [JSON.stringify(plan), `\`\`\`json\n${JSON.stringify(plan, null, 2)}\n\`\`\`\nDone.`])
      assert.deepEqual(Plan.parse(readStructured(text, SCHEMA)), plan);
  });
  it('[M09] what was cut off is not closed', () => {
    const whole = '```json\n{"title":"T","count":2,"done":true,"steps":[{"task":"a"},{"task":"b"}]}\n```';
    for (let length = 1; length < whole.length - 4; length++) {
      const read = Plan.safeParse(readStructured(whole.slice(0, length), SCHEMA, true));
      assert.equal(read.success, false, whole.slice(0, length));
    }
  });

  const pieces = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      ':',
      ',',
      '\\',
      '\n',
      '```',
      '```json\n',
      '<tool_call>',
      '</tool_call>',
      'get',
      '(',
      ')',
    ],
    ...[
      '<think>',
      '</think>',
      '<function=get>',
      '<parameter=a>',
      '</function>',
      '[TOOL_CALLS]',
      '<|channel|>',
      '=',
      '1',
    ],
    ...[
      '{"name":"get"',
      '"arguments":',
      'Action: get\nAction Input: ',
      'steps',
      'NaN',
      '//',
      'İ',
      '\u0000',
      '\ud83d',
      '<arg_key>',
    ],
  );
  it('[M08] never throw, and call nothing that is not on offer', () => {
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), fc.boolean(), (parts, isCut) => {
        const text = parts.join('');
        const found = findWrittenCalls(text, TOOLS, isCut)?.calls ?? [];
        for (const call of readCalls(found, { tools: TOOLS, idPrefix: 'c', isCut })) {
          assert.equal(call.name, 'get');
          assert.ok(text.includes('get'));
          assert.equal(typeof JSON.parse(call.arguments), 'object');
        }
        readCalls([{ id: '', name: text, arguments: text }], { tools: TOOLS, idPrefix: 'c', isCut });
        readStructured(text, SCHEMA, isCut);
        assert.equal(think(text, 1).answer, think(text).answer);
      }),
      { numRuns: 3_000 },
    );
  });
  it('[M08] end in a short time, however long or deep', () => {
    const parts = [
      ' ',
      '\n',
      '{',
      '[',
      '{}',
      '{"a":',
      '"',
      '```\n',
      '```json\n{"a":1}\n',
      '<think>',
      '</think>',
      'a: b\n',
      '*',
      '\\',
      "'",
      '{"steps":[',
      '[1,',
      '<|',
    ];
    for (const part of parts) {
      for (const before of ['', '{', '<think>', 'x']) {
        const text = `${before}${part.repeat(300_000 / part.length)}x`;
        const startedMs = performance.now();
        readStructured(text, SCHEMA);
        think(text);
        readCalls([{ id: '', name: 'get', arguments: text }], { tools: TOOLS, idPrefix: 'c', isCut: false });
        const ms = performance.now() - startedMs;
        assert.ok(ms < 1_500, `${JSON.stringify([before, part])} ${ms}`);
      }
    }
  });
});
