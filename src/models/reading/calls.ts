/** Makes tool calls of what models write: other names, arguments that are not quite JSON, one id for two calls. */
import { parseJson } from '../../contracts/json.ts';
import { fittedArguments } from './fitted.ts';
import { parseTolerantly, scanBrackets } from './json-scan.ts';
import type { ModelToolCall, ToolSchema } from '../model.ts';

/** A call as it came. */
export interface RawCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export interface CallOptions {
  readonly tools: readonly ToolSchema[];
  /** Begins ids that are made up: unique in the conversation and the same in every attempt. */
  readonly idPrefix: string;
  /** Whether the reply was cut off: what looks like a small mistake may then be half an argument. */
  readonly isCut: boolean;
  /** Ids of calls before in the conversation: some servers begin to count anew with every reply. */
  readonly usedIds?: ReadonlySet<string>;
}

/** The calls with names of tools on offer, ids that differ, and arguments that are JSON objects. */
export function readCalls(raw: readonly RawCall[], options: CallOptions): ModelToolCall[] {
  const { tools, idPrefix, isCut, usedIds } = options;
  const seen = new Set(usedIds);
  return raw.flatMap(unbundled).map((call, index) => {
    const id = call.id === '' || seen.has(call.id) ? `${idPrefix}_${index}` : call.id;
    seen.add(id);
    const name = offeredName(call.name, tools) ?? call.name;
    const read = readArguments(call.arguments, isCut);
    if (read.problem !== undefined) return { id, name, arguments: read.text, problem: read.problem };
    const schema = tools.find((tool) => tool.name === name)?.parameters;
    return { id, name, arguments: schema ? fittedArguments(read.text, schema) : read.text };
  });
}

/** A wrapper around several calls, which models of OpenAI were trained on. */
function unbundled(call: RawCall): RawCall[] {
  if (!/^multi_tool_use[._]parallel$/.test(call.name)) return [call];
  const bundle = parseJson(call.arguments) as { tool_uses?: unknown } | undefined;
  const uses = Array.isArray(bundle?.tool_uses) ? (bundle.tool_uses as Record<string, unknown>[]) : [];
  const calls = uses.flatMap((use) => {
    const { recipient_name: name, parameters } = use;
    return typeof name === 'string' ? [{ id: '', name, arguments: JSON.stringify(parameters ?? {}) }] : [];
  });
  return calls.length === 0 ? [call] : calls;
}

/** The tool that a name means: in another case, with a prefix, or with other signs between its words. */
export function offeredName(name: string, tools: readonly Pick<ToolSchema, 'name'>[]): string | undefined {
  if (tools.some((tool) => tool.name === name)) return name;
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const bare = name
    .trim()
    .replace(/^(functions?|tools?|default_api)[.:/]/i, '')
    // Tokens of templates, numbers and arguments behind a name.
    .replace(/(?:<\||[:(]).*$/s, '');
  const found = tools.filter((tool) => plain(tool.name) === plain(bare));
  return found.length === 1 ? found[0]?.name : undefined;
}

/** @returns JSON text of an object; `problem` says why the call cannot be run */
function readArguments(text: string, isCut: boolean): { text: string; problem?: string } {
  const trimmed = bare(text.trim());
  if (trimmed === '' || trimmed === 'null' || trimmed === '""') return { text: '{}' };
  const value = parse(trimmed, isCut);
  // Some models encode twice.
  const inner = typeof value === 'string' ? parse(value, isCut) : value;
  if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) {
    return { text: inner === value && trimmed === text.trim() && isJson(trimmed) ? text : JSON.stringify(inner) };
  }
  if (isJson(trimmed)) return { text: '{}', problem: 'its arguments were no JSON object' };
  const why = isCut ? 'its arguments were cut off' : 'its arguments were not valid JSON';
  return { text: '{}', problem: why };
}

/** The one object in a fence, in a list, before a tag of the template, or said twice; the text itself if it is none of these. */
function bare(text: string): string {
  const plain = text.replace(/^```(?:json)?\s{1,9}|\s{0,9}```$|\s{0,9}<\/?[\w|]{1,40}>$/g, '');
  const listed = /^\[\s{0,9}(\{.*\})\s{0,9}\]$/s.exec(plain)?.[1] ?? plain;
  // Some servers begin with an empty object, and send the real one behind it.
  const whole = listed.replace(/^\{\s{0,9}\}\s{0,9}(?=\{)/, '');
  if (!whole.startsWith('{')) return text;
  const { end, missing } = scanBrackets(whole, 0);
  const first = whole.slice(0, end);
  const rest = whole.slice(end).trim();
  return missing === '' && (rest === '' || rest === first) ? first : text;
}

function parse(text: string, isCut: boolean): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // A repair closes what is open. That would make a whole call of half of one.
    if (isCut || !/[}\]"]$/.test(text)) return undefined;
  }
  const repaired = parseTolerantly(text);
  return typeof repaired === 'string' && !text.startsWith('"') ? undefined : repaired;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
