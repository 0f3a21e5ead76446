/** The forms in which models write one call, or several, without what stands around them. */
import { parseJson } from '../../contracts/json.ts';
import type { ToolSchema } from '../model.ts';
import { offeredName, type RawCall } from './calls.ts';
import { parseTolerantly, scanBrackets, splitValues } from './json-scan.ts';

export interface SyntaxOptions {
  readonly tools: readonly ToolSchema[];
  /** Whether the reply was cut off: then nothing that is still open is closed. */
  readonly isCut: boolean;
}

export interface Found {
  readonly calls: readonly RawCall[];
  /** Where the text goes on behind them. */
  readonly end: number;
}

const NAME_KEYS = ['name', 'tool', 'tool_name', 'function_name', 'action'];
const ARGUMENT_KEYS = ['arguments', 'parameters', 'args', 'kwargs', 'input', 'action_input', 'tool_input', 'params'];
/** What stands around a call, or a list of them. */
const WRAPPER_KEYS = ['function', 'function_call', 'tool_call'];
/** Special tokens of templates, tags around calls, and what separates one call from the next. */
const NOISE =
  /(?:[\s,;]|```(?=<[|｜])|<[|｜]?\/?(?:\w{1,20}:)?[\w▁-]{1,40}[|｜]?>|<｜\/?DSML｜\w{1,20}>|<[|｜]\/[\w▁]{1,40}[|｜]>|\[\/?(?:TOOL_CALLS|TOOL_REQUEST|END_TOOL_REQUEST)\])*/y;
/** A name with its arguments behind it, in the marks of DeepSeek, Kimi, Mistral, Gemma, GLM and Harmony. */
const NAMED =
  /(?:to=|call:|function<｜tool▁sep｜>)?([a-zA-Z_][\w.:/-]{0,100})(?:\s|<[|｜][\w▁]{1,40}[|｜]>(?:commentary\b)?(?:\s?json\b)?|<tool_sep>|\[CALL_ID\]\w{1,40}|\[ARGS\]|```(?:json)?)*/y;
const GLM_PAIR = /\s*<arg_key>([^<]{1,100})<\/arg_key>\s*<arg_value>/y;

/** All calls that stand one after another at a place, or undefined if there is none. */
export function callsAt(text: string, from: number, options: SyntaxOptions): Found | undefined {
  const calls: RawCall[] = [];
  let end = from;
  for (let at = skip(NOISE, text, from); at < text.length; at = skip(NOISE, text, end)) {
    const found = jsonCalls(text, at, options) ?? namedCall(text, at, options);
    if (!found) break;
    calls.push(...found.calls);
    ({ end } = found);
  }
  return calls.length === 0 ? undefined : { calls, end: skip(NOISE, text, end) };
}

function skip(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  return from + (pattern.exec(text)?.[0].length ?? 0);
}

/** JSON at a place: as it is, repaired, or closed if only brackets are missing. */
function jsonAt(text: string, from: number, { isCut }: SyntaxOptions): { value: unknown; end: number } | undefined {
  if (text[from] !== '{' && text[from] !== '[') return undefined;
  const scan = scanBrackets(text, from);
  if (scan.missing === '') return { value: parse(text.slice(from, scan.end)), end: scan.end };
  // Small models forget the last bracket. What is still open inside a string is half a call.
  const mark = text.slice(from).search(/<\/?[|｜]?\w|\n```|\[END_TOOL_REQUEST\]/);
  const part = mark < 0 ? text.slice(from) : text.slice(from, from + mark);
  if (isCut || scanBrackets(part, 0).isInString || !/[}\]]\s*$/.test(part.slice(-20))) return undefined;
  return { value: parse(part), end: from + part.length };
}

function parse(text: string): unknown {
  return parseJson(text) ?? parseTolerantly(text.replace(/<escape>|<\|"\|>/g, '"'));
}

function jsonCalls(text: string, from: number, options: SyntaxOptions): Found | undefined {
  const json = jsonAt(text, from, options);
  if (!json) return undefined;
  const values = (Array.isArray(json.value) ? (json.value as unknown[]) : [json.value]).flatMap((value) => {
    const list = isRecord(value) ? value['tool_calls'] : undefined;
    return Array.isArray(list) ? (list as unknown[]) : [value];
  });
  const calls = values.map((value) => toCall(value, options.tools));
  if (calls.length === 0 || !calls.every((call) => call !== undefined)) return undefined;
  return { calls, end: json.end };
}

function namedCall(text: string, from: number, options: SyntaxOptions): Found | undefined {
  NAMED.lastIndex = from;
  const [whole = '', written = ''] = NAMED.exec(text) ?? [];
  const name = written === '' ? undefined : offeredName(written, options.tools);
  const tool = options.tools.find((offered) => offered.name === name);
  if (!tool) return undefined;
  const at = from + whole.length;
  const json = jsonAt(text, at, options);
  if (json) {
    if (!isRecord(json.value)) return undefined;
    return { calls: [{ id: '', name: tool.name, arguments: JSON.stringify(json.value) }], end: json.end };
  }
  return text.startsWith('<arg_key>', at) ? glmCall(text, at, tool, options) : undefined;
}

function glmCall(text: string, from: number, tool: ToolSchema, { isCut }: SyntaxOptions): Found | undefined {
  const given: Record<string, unknown> = {};
  let end = from;
  for (;;) {
    GLM_PAIR.lastIndex = end;
    const [whole, key = ''] = GLM_PAIR.exec(text) ?? [];
    if (whole === undefined && isCut && !/^\s?<\//.test(text.slice(end))) return undefined;
    if (whole === undefined) break;
    const start = end + whole.length;
    const close = text.indexOf('</arg_value>', start);
    if (close < 0) return undefined;
    given[key.trim()] = typed(text.slice(start, close), key.trim(), tool.parameters);
    end = close + '</arg_value>'.length;
  }
  return { calls: [{ id: '', name: tool.name, arguments: JSON.stringify(given) }], end };
}

/** A parameter is text unless the schema says otherwise. */
export function typed(value: string, key: string, schema: ToolSchema['parameters']): unknown {
  const properties = schema['properties'] as Record<string, { type?: unknown } | undefined> | undefined;
  const bare = value.replace(/^<!\[CDATA\[([\s\S]*)\]\]>$/, '$1');
  return properties?.[key]?.type === 'string' ? bare : (parseJson(bare) ?? bare);
}

const PYTHON_CALL = /\s*(?:print\()?\s*([a-zA-Z_][\w.]{0,100})\(/y;

/** `[get(a=1), get(a=2)]`, as Llama and Gemma write calls: nothing else may stand in the text. */
export function pythonCalls(text: string, { tools }: SyntaxOptions): RawCall[] | undefined {
  const trimmed = text.trim();
  const inner = trimmed.startsWith('[') && trimmed.endsWith(']') ? trimmed.slice(1, -1) : trimmed;
  const calls: RawCall[] = [];
  for (let at = 0; at < inner.length; at = skip(/[\s,;)]*/y, inner, at)) {
    PYTHON_CALL.lastIndex = at;
    const [whole, written = ''] = PYTHON_CALL.exec(inner) ?? [];
    const tool = tools.find(({ name }) => name === offeredName(written.replace(/\.call$/, ''), tools));
    if (whole === undefined || !tool) return undefined;
    const from = at + whole.length - 1;
    const { end, missing } = scanBrackets(inner, from);
    const given = missing === '' ? keywords(inner.slice(from + 1, end - 1), tool) : undefined;
    if (!given) return undefined;
    calls.push({ id: '', name: tool.name, arguments: JSON.stringify(given) });
    at = end;
  }
  return calls.length === 0 ? undefined : calls;
}

/** A value that Python and JSON write alike, or nearly; a variable is none. */
const LITERAL = /^\s*(?:"(?!"")|'(?!'')|[[{]|-?\d|true\b|false\b|none\b|null\b)/i;

/** `a=1, b="x"`, or one value for a tool with one parameter. */
function keywords(text: string, { parameters }: ToolSchema): Record<string, unknown> | undefined {
  const known = Object.keys(parameters['properties'] ?? {});
  const parts = splitValues(text);
  const given: Record<string, unknown> = {};
  for (const part of parts) {
    const named = /^\s*([a-zA-Z_]\w{0,100})\s*=/.exec(part);
    const literal = part.slice(named?.[0].length ?? 0);
    const value = LITERAL.test(literal) ? parse(literal.trim()) : undefined;
    if (value === undefined) return undefined;
    if (!named && parts.length === 1 && isRecord(value)) return value;
    const key = named?.[1] ?? (parts.length === 1 && known.length === 1 ? known[0] : undefined);
    if (key === undefined) return undefined;
    given[key] = value;
  }
  return given;
}

function toCall(value: unknown, tools: readonly ToolSchema[]): RawCall | undefined {
  if (!isRecord(value)) return undefined;
  const wrapped = WRAPPER_KEYS.map((key) => value[key]).find(isRecord);
  // Groq's own notation has the name inside, and the arguments beside it.
  const body = wrapped ? { ...value, ...wrapped } : value;
  const named =
    typeof value['function'] === 'string'
      ? value['function']
      : NAME_KEYS.map((key) => body[key]).find((name) => typeof name === 'string');
  const name = typeof named === 'string' ? offeredName(named, tools) : undefined;
  if (name === undefined) return namedByKey(value, tools);
  const key = ARGUMENT_KEYS.find((candidate) => candidate in body);
  const { [NAME_KEYS.find((candidate) => body[candidate] === named) ?? '']: _, ...beside } = body;
  const given = key === undefined ? beside : body[key];
  // Without arguments anything with a name would be a call, if what stands beside it is no argument.
  if (key === undefined && !areArguments(beside, name, tools)) return undefined;
  return { id: '', name, arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}) };
}

/** `{"get": {"a": 1}}` */
function namedByKey(value: Record<string, unknown>, tools: readonly ToolSchema[]): RawCall | undefined {
  const [entry, ...others] = Object.entries(value);
  if (!entry || others.length > 0) return undefined;
  const [name, given] = entry;
  const isCall = isRecord(given) && Object.keys(given).length > 0 && areArguments(given, name, tools);
  return isCall ? { id: '', name, arguments: JSON.stringify(given) } : undefined;
}

function areArguments(given: Record<string, unknown>, name: string, tools: readonly ToolSchema[]): boolean {
  const properties = tools.find((tool) => tool.name === name)?.parameters['properties'];
  return isRecord(properties) && Object.keys(given).every((key) => Object.hasOwn(properties, key));
}

/** Words for a tool that takes one text: `Action Input: 19 * 23`. */
export function wordsCall(name: string, words: string, tools: readonly ToolSchema[]): RawCall | undefined {
  const tool = tools.find((offered) => offered.name === offeredName(name, tools));
  const [[key, property] = [], ...others] = Object.entries(tool?.parameters['properties'] ?? {});
  const isText = isRecord(property) && property['type'] === 'string';
  const text = words.trim().replace(/^"([^"]*)"$|^'([^']*)'$|^`([^`]*)`$/, '$1$2$3');
  if (!tool || key === undefined || others.length > 0 || !isText || text === '' || /^[[{]/.test(text)) return undefined;
  return { id: '', name: tool.name, arguments: JSON.stringify({ [key]: text }) };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
