import assert from 'node:assert/strict';
import { z } from 'zod';
import { readStructured } from '../../../src/models/reading/structured.ts';

const Plan = z.object({
  steps: z.array(
    z.object({
      agent: z.string(),
      task: z.string(),
      notes: z.string().default(''),
      alongside: z.boolean().default(false),
    }),
  ),
});
const Route = z.object({
  route: z.enum(['one-shot', 'planned', 'clarify']),
  primaryAgent: z.string(),
  complexity: z.number().min(0).max(100),
  confidence: z.number().min(0).max(1),
  questions: z.array(z.string()).default([]),
  note: z.string().optional(),
});
const STEP = { agent: 'writer', task: 'Write it', notes: '', alongside: false };
const ROUTE = { route: 'one-shot', primaryAgent: 'writer', complexity: 10, confidence: 0.9, questions: [] };

describe('[M06] structured answers are read as models write them', () => {
  const plan = '{"steps":[{"agent":"writer","task":"Write it","notes":""}]}';
  const plans: Record<string, string> = {
    'as they should be': plan,
    'fenced, with words around': `Here is the JSON:\n\`\`\`json\n${plan}\n\`\`\`\nDone.`,
    'with words around and no fence': `Sure! ${plan} I hope {this} helps.`,
    'after thinking': `<think>The steps are {"steps": []}?</think>\n${plan}`,
    'after thinking that only ends': `I wonder.</think>${plan}`,
    'with trailing commas': '{"steps":[{"agent":"writer","task":"Write it","notes":"",},],}',
    'with a raw line break': '{"steps":[{"agent":"writer","task":"Write it","notes":"\n"}]}',
    'without what may be left out': '{"steps":[{"agent":"writer","task":"Write it"}]}',
    'with null for what may be left out':
      '{"steps":[{"agent":"writer","task":"Write it","notes":null,"alongside":null}]}',
    'as a bare list': '[{"agent":"writer","task":"Write it"}]',
    'in a wrapper': `{"plan": ${plan}}`,
    'in a wrapper of a wrapper': `{"response": {"plan": ${plan}}}`,
    'with one step that is no list': '{"steps":{"agent":"writer","task":"Write it"}}',
    'with names in another case': '{"Steps":[{"Agent":"writer","TASK":"Write it","Notes":""}]}',
    'with single quotes': "{'steps':[{'agent':'writer','task':'Write it'}]}",
    'with booleans as text': '{"steps":[{"agent":"writer","task":"Write it","alongside":"false"}]}',
    'not quite closed': '{"steps":[{"agent":"writer","task":"Write it"}]',
  };
  for (const [name, text] of Object.entries(plans)) {
    it(`a plan ${name}`, () => {
      const parsed = Plan.parse(readStructured(text, z.toJSONSchema(Plan)));
      assert.deepEqual(
        { steps: parsed.steps.map((step) => ({ ...step, notes: step.notes.trim() })) },
        { steps: [STEP] },
      );
    });
  }

  const routes: Record<string, string> = {
    'as it should be': JSON.stringify(ROUTE),
    'with an enum in another case': '{"route":"One-Shot","primaryAgent":"writer","complexity":10,"confidence":0.9}',
    'with an enum in other signs': '{"route":"one_shot","primaryAgent":"writer","complexity":10,"confidence":0.9}',
    'with numbers as text': '{"route":"one-shot","primaryAgent":"writer","complexity":"10","confidence":"0.9"}',
    'with a share in percent': '{"route":"one-shot","primary_agent":"writer","complexity":10,"confidence":90}',
    'with a share as text': '{"route":"one-shot","primary_agent":"writer","complexity":10,"confidence":"90%"}',
    'with null for a list':
      '{"route":"one-shot","primaryAgent":"writer","complexity":10,"confidence":0.9,"questions":null,"note":null}',
  };
  for (const [name, text] of Object.entries(routes)) {
    it(`a route ${name}`, () => {
      assert.deepEqual(Route.parse(readStructured(text, z.toJSONSchema(Route))), ROUTE);
    });
  }

  it('a question that is no list', () => {
    const text = '{"route":"clarify","primaryAgent":"writer","complexity":10,"confidence":0.9,"questions":"Which?"}';
    assert.deepEqual(Route.parse(readStructured(text, z.toJSONSchema(Route))).questions, ['Which?']);
  });

  it('what is wrong stays wrong, and no JSON is none', () => {
    for (const text of [
      '{"route":"sideways","primaryAgent":"writer","complexity":10,"confidence":0.9}',
      '{"steps": 3}',
      '"one-shot"',
    ]) {
      assert.equal(Route.safeParse(readStructured(text, z.toJSONSchema(Route))).success, false, text);
    }
    for (const text of ['', 'no JSON here', 'a {brace} and no more'])
      assert.equal(Plan.safeParse(readStructured(text, z.toJSONSchema(Plan))).success, false, text);
  });
});
