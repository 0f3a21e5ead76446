/** Finds tool calls that a weak model writes into its text, because its server does not take them out. */
import type { ToolSchema } from '../model.ts';
import { callsAt, type Found, pythonCalls, type SyntaxOptions, wordsCall } from './call-syntax.ts';
import type { RawCall } from './calls.ts';
import { findXmlCalls } from './xml-calls.ts';

export interface WrittenCalls {
  readonly calls: readonly RawCall[];
  /** The text without them. */
  readonly text: string;
}

/** What begins a call in the templates of the known families. */
const MARK =
  /<(?:\w{1,20}:)?(?:tool_calls?|function_calls?|tool-use|tool|function|start_function_call)>|<[|｜](?:tool[_▁]calls?(?:[_▁]section)?(?:[_▁](?:begin|start))?|tools_prefix|python_tag|python_start|recipient|start\|>assistant(?= to=)|START_ACTION|action_start|channel[|｜]>(?:commentary|analysis) (?=to))[|｜]?>?|\[(?:TOOL_CALLS|TOOL_REQUEST)\]|^(?:functools|TOOL_CALLS)\s?(?=\[)|^>>>(?=\w)/g;
/** Tries that may fail: each reads the text once. */
const MAX_TRIES = 8;
/** Words before something that is shown, and not done. */
const SHOWS =
  /\b(example|for instance|e\.g|like this|looks? like|such as|format|syntax|would (be|call|write)|could)\b/i;
/** The result of a call that the model writes itself. */
const MADE_UP = /<\/?(?:tool_response|tool_result|tool_output|function_results?|observation)s?>|^\s*Observation:/i;
/** Without one of these a text has no call in any notation, and most texts have none. */
const SIGN = /[<{[(]|Action:/;
const ACTION = /(?:^|\n)[ \t]*Action:[ \t]*`?([\w.:-]{1,100})`?[ \t]*\n\s{0,20}Action Input:[ \t]*/;

/** @returns undefined if the text has no call of a tool on offer; a call that is only shown is none */
export function findWrittenCalls(text: string, tools: readonly ToolSchema[], isCut: boolean): WrittenCalls | undefined {
  if (tools.length === 0 || !SIGN.test(text)) return undefined;
  const options = { tools, isCut };
  const fences = fencesOf(text);
  const isAct = (index: number, end: number): boolean => isActOf(text, fences, index, end);
  return (
    findXmlCalls(text, options, isAct) ??
    findMarked(text, options, isAct) ??
    findFenced(text, fences, options) ??
    findPlain(text, options)
  );
}

interface Fence {
  readonly index: number;
  readonly end: number;
  readonly language: string;
  readonly inner: string;
}

/** Blocks of code: from a line that begins with three backticks to the next that is nothing else. */
function fencesOf(text: string): Fence[] {
  return [
    ...text.matchAll(
      /^(?:[ \t]{0,3}|Action:[ \t]?)```([\w-]*)[ \t]{0,10}\r?\n([\s\S]*?)(?:^[ \t]{0,3}```[ \t]{0,10}$|```\s{0,9}(?![\s\S])|(?![\s\S]))/gm,
    ),
  ].map(({ index, 0: whole, 1: language = '', 2: inner = '' }) => ({
    index,
    end: index + whole.length,
    language,
    inner,
  }));
}

/** Marks inside of code, or in the middle of a sentence, are shown. A fence around nothing but calls is no code. */
function isActOf(text: string, fences: readonly Fence[], index: number, end: number): boolean {
  const fence = fences.find((block) => block.index < index && index < block.end);
  if (fence) return text.slice(fence.end).trim() === '' && !isShown(text.slice(0, fence.index));
  const line = text.slice(text.lastIndexOf('\n', index) + 1, index);
  if (line.split('`').length % 2 === 0) return false;
  const behind = text.slice(end, end + 80).split('\n')[0] ?? '';
  return line.trim() === '' || behind.replace(/<[^>]*>/g, '').trim() === '';
}

function isShown(before: string): boolean {
  return SHOWS.test(before.trimEnd().slice(-300).split('\n').at(-1) ?? '');
}

function findMarked(
  text: string,
  options: SyntaxOptions,
  isAct: (index: number, end: number) => boolean,
): WrittenCalls | undefined {
  const calls: RawCall[] = [];
  let rest = '';
  let from = 0;
  let tries = 0;
  for (const { index, 0: mark } of text.matchAll(MARK)) {
    if (index < from) continue;
    const found = callsAt(text, index + mark.length, options) ?? pythonAt(text, index, mark, options);
    if (!found && ++tries === MAX_TRIES) break;
    if (!found || !isAct(index, found.end)) continue;
    calls.push(...found.calls);
    rest += text.slice(from, index);
    from = found.end;
  }
  if (calls.length === 0) return undefined;
  // What a model makes up as the result of its own call is none.
  const behind = MADE_UP.test(text.slice(from)) ? '' : text.slice(from);
  // A fence around marks is empty now.
  return { calls, text: (rest + behind).replace(/```[\w-]*\s*```|```\w*\s*$/g, '').trim() };
}

/** Llama, LFM and OLMo write Python between marks. */
function pythonAt(text: string, index: number, mark: string, options: SyntaxOptions): Found | undefined {
  if (options.isCut) return undefined;
  const inner = text.slice(index + mark.length);
  const end = inner.search(/<\/(?:tool|function)_calls?>|<\|\w{1,20}\|>/);
  const calls = pythonCalls(end < 0 ? inner : inner.slice(0, end), options);
  const close = end < 0 ? '' : (/^<[^>]*>/.exec(inner.slice(end))?.[0] ?? '');
  return calls && { calls, end: end < 0 ? text.length : index + mark.length + end + close.length };
}

/** Fences at the end of the text with nothing but calls in them. */
function findFenced(text: string, fences: readonly Fence[], options: SyntaxOptions): WrittenCalls | undefined {
  const calls: RawCall[] = [];
  let end = text.trimEnd().length;
  for (const { index, end: fenceEnd, language, inner } of fences.toReversed()) {
    if (fenceEnd < end || !/^(json|tools?|tool_calls?|function_calls?|tool_code|xml)?$/.test(language)) break;
    const found = language === 'tool_code' ? undefined : callsAt(inner, 0, options);
    const read = found?.end === inner.length ? found.calls : language === 'tool_code' && pythonCalls(inner, options);
    if (!read) break;
    calls.unshift(...read);
    end = text.slice(0, index).trimEnd().length;
  }
  const before = text.slice(0, end);
  return calls.length === 0 || isShown(before) ? undefined : { calls, text: before };
}

/** Templates write braces twice, around the whole or everywhere, and small models copy that. */
function withSingleBraces(text: string): string[] {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{{') || !trimmed.endsWith('}}')) return [];
  return [trimmed.slice(1, -1), trimmed.replaceAll('{{', '{').replaceAll('}}', '}')];
}

/** The whole text, or its last lines, are a call. */
function findPlain(text: string, options: SyntaxOptions): WrittenCalls | undefined {
  const start = text.length - text.trimStart().length;
  const quoted = /^\s*(['`])([[{][\s\S]*[\]}])\1\s*$/.exec(text)?.[2];
  if (quoted !== undefined) return findPlain(quoted, options);
  const whole = callsAt(text, start, options);
  // Small models close one bracket or fence too many, or go on with a result of their own.
  if (whole && /^(?:[\s}\]`]{0,20}$|(?:Observation|Result|Output)\b|\s{0,9}\{[^]*\}\s*$)/.test(text.slice(whole.end)))
    return { calls: whole.calls, text: '' };
  for (const single of withSingleBraces(text)) {
    const found = callsAt(single, 0, options);
    if (found?.end === single.length) return { calls: found.calls, text: '' };
  }
  const python = options.isCut ? undefined : pythonCalls(text, options);
  if (python) return { calls: python, text: '' };
  const action = ACTION.exec(text);
  if (action) {
    const at = action.index + action[0].length;
    const found = callsAt(`${action[1]} ${text.slice(at)}`, 0, options);
    const behind = found && text.slice(at + found.end - (action[1] ?? '').length - 1);
    if (found?.calls.length === 1 && /^(Observation|$)/.test(behind ?? ''))
      return { calls: found.calls, text: text.slice(0, action.index).trim() };
    const words = text.slice(at).split(/\n\s*(?:Observation|Thought|Action)\b/)[0] ?? '';
    const call = options.isCut ? undefined : wordsCall(action[1] ?? '', words, options.tools);
    if (call) return { calls: [call], text: text.slice(0, action.index).trim() };
  }
  let tries = 0;
  for (const { index } of text.matchAll(/(?<=\n|: )[ \t]{0,10}(?=[[{])/g)) {
    const found = callsAt(text, index, options);
    if (found?.end === text.length) {
      const before = text.slice(0, index).trim();
      return isShown(before) ? undefined : { calls: found.calls, text: before };
    }
    if (++tries === MAX_TRIES) break;
  }
  return undefined;
}
