/** Calls a tool that the person names, with the arguments that they give: `use everything.echo with {"message": "hi"}`. */
import { wireName } from '../../tool-names.ts';
import type { Prompt } from '../prompt.ts';
import { CannotDo, use, type Finding, type Work } from './skill.ts';

const PHRASE = /\b(?:use|call)\s+(?:the\s+tool\s+)?[`"']?([A-Za-z][\w-]*(?:\.[\w./-]*\w)?)[`"']?\s+with\s+(?=\{)/gi;
/** Words that only join one action to the next. */
const JOINT = /^(?:[\s,;.:!-]|and|then|also|next|finally|please)*$/i;

/** Output that goes into a sentence; more stands below it. */
const MAX_SENTENCE = 200;
const MAX_OUTPUT = 4_000;

export interface TextPart {
  readonly text: string;
  readonly isCall: boolean;
}

/** A text in parts: phrases of this skill, and what stands around them without the words that join them. */
export function splitCalls(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  const addText = (to: number): void => {
    const between = text.slice(end, to);
    if (!JOINT.test(between)) parts.push({ text: between, isCall: false });
  };
  for (const match of text.matchAll(PHRASE)) {
    const from = match.index + match[0].length;
    const length = match.index < end ? 0 : objectLength(text.slice(from));
    if (length === 0) continue;
    addText(match.index);
    end = from + length;
    parts.push({ text: text.slice(match.index, end), isCall: true });
  }
  addText(text.length);
  return parts;
}

export function* callTool(phrase: string, { tools }: Prompt): Work<Finding> {
  const [match] = phrase.matchAll(PHRASE);
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

/** Length of the JSON object at the beginning; 0 where there is none. */
function objectLength(text: string): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth += 1;
    if (token === '}') depth -= 1;
    if (depth === 0) return isObject(text.slice(0, index + 1)) ? index + 1 : 0;
  }
  return 0;
}

function isObject(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function parseObject(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>; // an object: see `objectLength`
}
