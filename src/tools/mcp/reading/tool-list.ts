/** Reads a server's list of tools. A tool that cannot be used is left out by name, and the others stay. */
import type { ModelSchema } from '../../registry.ts';
import { mendArguments } from './mend-schema.ts';

/** A tool that agents are not offered. */
export interface LeftOut {
  readonly tool: string;
  readonly problem: string;
}

export interface ToolList {
  readonly tools: readonly ModelSchema[];
  readonly leftOut: readonly LeftOut[];
}

/** Limit of OpenAI's API. */
const MAX_DESCRIPTION = 1_024;
/** A schema goes to the model with every request. */
const MAX_SCHEMA = 50_000;
/** Choices and words of a property that are kept of a schema that is longer. */
const KEPT = { choices: 20, words: 200 };

/** @param listed the entries of all pages, unchecked */
export function readTools(listed: readonly unknown[]): ToolList {
  const tools = new Map<string, ModelSchema>();
  const leftOut: LeftOut[] = [];
  const known = new Set<string>();
  for (const [index, entry] of listed.entries()) {
    // Some servers give the same page again and again.
    const text = JSON.stringify(entry);
    if (known.has(text)) continue;
    known.add(text);
    const read = readTool(entry, `tool ${index + 1} of its list`);
    if (!read) continue;
    if ('problem' in read) leftOut.push(read);
    else if (tools.has(read.name)) leftOut.push({ tool: read.name, problem: 'it is listed twice; the first counts' });
    else tools.set(read.name, read);
  }
  return { tools: [...tools.values()], leftOut };
}

/** Undefined for a tool that only runs as a task, an experimental feature of the protocol. */
function readTool(entry: unknown, place: string): ModelSchema | LeftOut | undefined {
  if (!isFields(entry)) return { tool: place, problem: 'it is not a JSON object' };
  const { name, title, description, execution, annotations } = entry;
  if (typeof name !== 'string' || name === '') return { tool: place, problem: 'it has no name' };
  if (isFields(execution) && execution['taskSupport'] === 'required') return undefined;
  const mended = mendArguments(entry['inputSchema']);
  if ('problem' in mended) return { tool: name, problem: mended.problem };
  const isLong = JSON.stringify(mended.schema).length > MAX_SCHEMA;
  // What it is called is no schema but the name of a property of that name.
  const parameters = isLong ? (shortened(mended.schema) as ModelSchema['parameters']) : mended.schema;
  const { length } = JSON.stringify(parameters);
  if (length > MAX_SCHEMA) {
    return { tool: name, problem: `its inputSchema has ${length} characters, and the limit is ${MAX_SCHEMA}` };
  }
  const words = [description, title, isFields(annotations) ? annotations['title'] : undefined];
  const text = words.filter((one) => typeof one === 'string').find((one) => one !== '');
  return { name, description: (text ?? '').slice(0, MAX_DESCRIPTION), parameters };
}

/** The schema with fewer words, and without long lists of choices: the server checks them itself. */
function shortened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shortened);
  if (!isFields(value)) return value;
  const { enum: choices, description, ...rest } = value;
  const isListed = Array.isArray(choices) && choices.length <= KEPT.choices;
  const examples = Array.isArray(choices) && !isListed ? choices.slice(0, KEPT.choices).map(String).join(', ') : '';
  const words = typeof description === 'string' ? description.slice(0, KEPT.words) : '';
  const told = examples === '' ? words : `${words} For example: ${examples}, …`.trim();
  return {
    ...Object.fromEntries(Object.entries(rest).map(([key, inner]) => [key, shortened(inner)])),
    ...(isListed ? { enum: choices } : {}),
    // A property may have either name.
    ...(choices !== undefined && !Array.isArray(choices) ? { enum: shortened(choices) } : {}),
    ...(description !== undefined && typeof description !== 'string' ? { description: shortened(description) } : {}),
    ...(told === '' ? {} : { description: told }),
  };
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
