/** Calls a tool that the person names, with the arguments that they give: `use everything.echo with {"message": "hi"}`. */
import { wireName } from '../../../../src/models/tool-names.ts';
import { CALL } from '../../phrases/split.ts';
import type { Prompt } from '../../prompt.ts';
import { CannotDo, use, type Finding, type Work } from '../skill.ts';

/** Output that goes into a sentence; more stands below it. */
const MAX_SENTENCE = 200;
const MAX_OUTPUT = 4_000;

export function* callTool(phrase: string, { tools }: Prompt): Work<Finding> {
  const [match] = phrase.matchAll(CALL);
  const name = match?.[1] ?? '';
  const tool = tools.has(name) ? name : wireName(name);
  const result = yield* use(tool, parseObject(phrase.slice(match?.[0].length)), `I use ${name}.`);
  // The engine calls the tool by our name, which is not always the one on the wire.
  if (result.failed || result.text.startsWith(`${name}: `) || result.text.startsWith(`${name} failed`)) {
    throw new CannotDo(result.text);
  }
  const output = result.text.trim();
  const isShort = output.length <= MAX_SENTENCE && !output.includes('\n');
  return {
    title: `Result of ${name}`,
    sentence: isShort ? `${name} gave: ${output}` : `${name} gave ${output.length} characters.`,
    body: isShort ? '' : `\`\`\`\n${output.slice(0, MAX_OUTPUT)}\n\`\`\``,
  };
}

function parseObject(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>; // an object: only such phrases are found
}
