/** Finds tool calls that a weak model writes into its text, because its server does not take them out. */
import { jsonrepair } from 'jsonrepair';
import type { ToolSchema } from '../model.ts';
import { offeredName, type RawCall } from './calls.ts';

export interface WrittenCalls {
  readonly calls: readonly RawCall[];
  /** The text without them. */
  readonly text: string;
}

/** JSON in tags, in a fence, or between the marks of some templates. */
const MARKED = [
  /<(tool_call|function_call|tool|function)>\s*([\s\S]*?)\s*(?:<\/\1>|$)/g,
  /<\|?(tool_call|tool_calls_begin|python_tag|tool▁call▁begin)\|?>\s*([\s\S]*?)\s*(?:<\|?\/?(?:tool_call|tool_calls_end|eom_id|eot_id|tool▁call▁end)\|?>|$)/g,
  /\[(TOOL_CALLS|TOOL_REQUEST)\]\s*([\s\S]*?)\s*(?:\[END_TOOL_REQUEST\]|\[\/TOOL_CALLS\]|$)/g,
  /```(json|tool_call|tool_code|xml)?[ \t]*\r?\n([\s\S]*?)(?:```|$)/g,
];
const NAME_KEYS = ['name', 'tool', 'tool_name', 'function_name', 'action'];
const ARGUMENT_KEYS = ['arguments', 'parameters', 'args', 'input', 'action_input', 'tool_input', 'params'];

/** @returns undefined if the text has no call of a tool on offer */
export function findWrittenCalls(text: string, tools: readonly ToolSchema[]): WrittenCalls | undefined {
  if (tools.length === 0 || text.trim() === '') return undefined;
  const xml = findXml(text, tools);
  if (xml) return xml;
  for (const pattern of MARKED) {
    const calls: RawCall[] = [];
    const rest = text.replace(pattern, (whole, _mark: string, inner: string) => {
      const found = callsIn(inner, tools);
      if (!found) return whole;
      calls.push(...found);
      return '';
    });
    if (calls.length > 0) return { calls, text: rest.trim() };
  }
  return findPlain(text, tools);
}

/** The whole text, or its last lines, are the JSON of a call. */
function findPlain(text: string, tools: readonly ToolSchema[]): WrittenCalls | undefined {
  const from = /(^|\n)\s*(?=[[{])/.exec(text);
  if (!from) return undefined;
  const start = from.index;
  const calls = callsIn(text.slice(start), tools);
  return calls && { calls, text: text.slice(0, start).trim() };
}

/** `<function=name><parameter=key>value</parameter></function>` and `<invoke name="name"><parameter name="key">…`. */
function findXml(text: string, tools: readonly ToolSchema[]): WrittenCalls | undefined {
  const calls: RawCall[] = [];
  const block = /<(?:function=|invoke name=)"?([\w.-]+)"?>([\s\S]*?)(?:<\/(?:function|invoke)>|$)/g;
  const rest = text.replace(block, (whole, name: string, inner: string) => {
    const offered = tools.find((tool) => tool.name === offeredName(name, tools));
    if (!offered) return whole;
    calls.push({ id: '', name: offered.name, arguments: xmlArguments(inner, offered) });
    return '';
  });
  if (calls.length === 0) return undefined;
  return { calls, text: rest.replace(/<\/?(tool_call|function_calls|tool_calls)>/g, '').trim() };
}

function xmlArguments(inner: string, { parameters }: ToolSchema): string {
  const parameter = /<parameter(?:=|\s+name=)"?([\w.-]+)"?>\n?([\s\S]*?)\n?(?:<\/parameter>|(?=<parameter)|$)/g;
  const pairs = [...inner.matchAll(parameter)].map(([, key = '', value = '']) => [key, typed(value, key, parameters)]);
  // Some write JSON between the tags instead.
  return pairs.length === 0 ? inner.trim() : JSON.stringify(Object.fromEntries(pairs));
}

/** A parameter is text unless the schema says otherwise. */
function typed(value: string, key: string, schema: ToolSchema['parameters']): unknown {
  const properties = schema['properties'] as Record<string, { type?: unknown } | undefined> | undefined;
  if (properties?.[key]?.type === 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

/** All calls of a text, or undefined if it is anything else. */
function callsIn(text: string, tools: readonly ToolSchema[]): RawCall[] | undefined {
  const trimmed = text.trim();
  if (!/^[[{]/.test(trimmed)) return undefined;
  const values = parseAll(trimmed);
  const calls = values?.map((value) => toCall(value, tools));
  return calls && calls.length > 0 && calls.every((call) => call !== undefined) ? calls : undefined;
}

/** One value, a list, or one object after another. */
function parseAll(text: string): unknown[] | undefined {
  for (const candidate of [text, `[${text.replace(/\}\s*[\n;,]\s*\{/g, '},{')}]`]) {
    try {
      const value: unknown = JSON.parse(candidate);
      return unwrapped(Array.isArray(value) ? value : [value]);
    } catch {
      // The next form.
    }
  }
  try {
    const value: unknown = JSON.parse(jsonrepair(text));
    return unwrapped(Array.isArray(value) ? value : [value]);
  } catch {
    return undefined;
  }
}

function unwrapped(values: unknown[]): unknown[] {
  return values.flatMap((value) => {
    const list = isRecord(value) ? value['tool_calls'] : undefined;
    return Array.isArray(list) ? (list as unknown[]) : [value];
  });
}

function toCall(value: unknown, tools: readonly ToolSchema[]): RawCall | undefined {
  if (!isRecord(value)) return undefined;
  const body = isRecord(value['function']) ? value['function'] : value;
  const named =
    typeof value['function'] === 'string'
      ? value['function']
      : NAME_KEYS.map((key) => body[key]).find((name) => typeof name === 'string');
  const name = typeof named === 'string' ? offeredName(named, tools) : undefined;
  if (name === undefined) return undefined;
  const key = ARGUMENT_KEYS.find((candidate) => candidate in body);
  const given = key === undefined ? {} : body[key];
  // Without arguments anything with a name would be a call.
  if (key === undefined && Object.keys(body).length > 1) return undefined;
  return { id: '', name, arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
