/** Phrases that are found wherever they stand in a text, before the rest of it is cut into clauses. */
import { masked } from '../language.ts';
import { parseJson } from '../../../src/contracts/json.ts';

export type PhraseKind = 'call' | 'handoff' | 'shell' | 'fail';

/** Where a phrase stands. */
export interface Span {
  readonly kind: PhraseKind;
  readonly start: number;
  readonly end: number;
}

export interface TextPart {
  /** Undefined for what stands around phrases. */
  readonly kind: PhraseKind | undefined;
  readonly text: string;
}

/** `use everything.echo with `, before a JSON object. */
export const CALL =
  /\b(?:use|call)\s+(?:the\s+tool\s+)?[`"']?([A-Za-z][\w-]*(?:\.[\w./-]*\w)?)[`"']?\s+with\s+(?=\{)/gi;
/** `hand over to the writer: `, before all that is left to do. */
export const HANDOVER =
  /\bhand\s+(?:(?:this|it|the work)\s+)?over\s+to\s+(?:the\s+)?([a-z][a-z0-9-]{0,62})\s*:\s*(?=\S)/gi;
/** `run the command: ls -l`, to the end of the line; between backticks, or in a block of code. */
export const COMMAND = /\brun\s+(?:the|this)\s+(?:shell\s+)?command(\s*:)?\s*/gi;
/** `fail this step twice`, `fail always`. */
export const FAILURE =
  /\bfail\s+(?:(?:this|the)\s+step\s+)?(once|twice|always|(?:\d{1,3}|two|three|four|five)\s+times)\b/gi;

/** Words that only join one action to the next. */
const JOINT = /^(?:[\s,;.:!-]|and|then|also|next|finally|please)*$/i;
const LAST_JOINT = /[\s,;:]+(?:and|then|also|next|finally|please|\s)*$/i;

/** A text in parts, without the words that join them. */
export function splitPhrases(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  const addText = (to: number): void => {
    const between = text.slice(end, to);
    if (JOINT.test(between)) return;
    parts.push({ kind: undefined, text: to < text.length ? between.replace(LAST_JOINT, '') : between });
  };
  for (const span of spansIn(text)) {
    if (span.start < end) continue;
    addText(span.start);
    ({ end } = span);
    parts.push({ kind: span.kind, text: text.slice(span.start, end).trim() });
  }
  addText(text.length);
  return parts;
}

function spansIn(text: string): Span[] {
  const plain = masked(text);
  const calls = [...text.matchAll(CALL)].flatMap(({ 0: phrase, index }): Span[] => {
    const from = index + phrase.length;
    const length = objectLength(text.slice(from));
    return length === 0 ? [] : [{ kind: 'call', start: index, end: from + length }];
  });
  const commands = [...plain.matchAll(COMMAND)].flatMap(({ 0: phrase, 1: colon, index }): Span[] => {
    const from = index + phrase.length;
    const length = commandLength(text.slice(from), colon !== undefined);
    return length === 0 ? [] : [{ kind: 'shell', start: index, end: from + length }];
  });
  const failures = [...plain.matchAll(FAILURE)].map(({ 0: phrase, index }): Span => ({
    kind: 'fail',
    start: index,
    end: index + phrase.length,
  }));
  const handovers = [...plain.matchAll(HANDOVER)].map(({ index }): Span => ({
    kind: 'handoff',
    start: index,
    end: text.length,
  }));
  return [...calls, ...commands, ...failures, ...handovers].toSorted((a, b) => a.start - b.start);
}

/** Length of the command at the beginning; 0 where there is none. */
function commandLength(text: string, isAnnounced: boolean): number {
  const marked = /^(?:```[^]*?```|`[^`\n]+`)/.exec(text)?.[0];
  if (marked !== undefined) return marked.length;
  return isAnnounced ? (/^[^\n]*/.exec(text)?.[0].trimEnd().length ?? 0) : 0;
}

/** Length of the JSON object at the beginning; 0 where there is none. */
function objectLength(text: string): number {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === '{') depth += 1;
    if (token === '}') depth -= 1;
    if (depth === 0) return parseJson(text.slice(0, index + 1)) !== undefined ? index + 1 : 0;
  }
  return 0;
}
