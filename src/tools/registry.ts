/** The built-in tools, how a model sees them, and how its call becomes a run. */
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import type { Tool, ToolContext, ToolResult } from '../contracts/tool.ts';
import { appendFile } from './files/append-file.ts';
import { calculate } from './code/calculate.ts';
import { csvProfile } from './tables/csv-profile.ts';
import { editFile } from './files/edit-file.ts';
import { askUser, remember } from './engine-tools.ts';
import { fetchUrl } from './web/fetch-url.ts';
import { listFiles } from './files/list-files.ts';
import { nearest } from './nearest.ts';
import { plotChart } from './tables/plot-chart.ts';
import { readFile } from './files/read-file.ts';
import { runCode } from './code/run-code.ts';
import { searchFiles } from './files/search-files.ts';
import { shell } from './code/shell.ts';
import { writeFile } from './files/write-file.ts';

/** What a chat completions request says of a function. */
export interface ModelSchema {
  readonly name: string;
  readonly description: string;
  /** JSON schema of the arguments. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

const BUILT_IN: readonly Tool[] = [
  listFiles,
  readFile,
  writeFile,
  editFile,
  appendFile,
  searchFiles,
  csvProfile,
  plotChart,
  calculate,
  fetchUrl,
  runCode,
  shell,
  askUser,
  remember,
];

/** Built-in tools by name. */
export const tools: ReadonlyMap<string, Tool> = new Map(BUILT_IN.map((tool) => [tool.name, tool]));

export function findTool(name: string): Tool | undefined {
  return tools.get(name);
}

export function modelSchema(tool: Tool): ModelSchema {
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.input, { io: 'input' });
  return { name: tool.name, description: tool.description, parameters };
}

/**
 * Runs a built-in tool with the arguments as the model wrote them.
 * @throws CopilotError `ToolFailed` for an unknown tool, for arguments that do not fit (which field, what was
 * expected), and for what the tool refuses; the signal's reason where it aborts
 */
export async function runTool(name: string, argumentsText: string, context: ToolContext): Promise<ToolResult> {
  const tool = findTool(name);
  if (tool === undefined) {
    const near = nearest(name, tools.keys());
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw failed(name, `there is no such tool.${hint} The tools are: ${[...tools.keys()].join(', ')}.`);
  }
  context.signal.throwIfAborted();
  return tool.run(parseArguments(tool, argumentsText), context);
}

/**
 * The validated input of a call. No text at all counts as `{}`, and null as a field that is not given, since models send both.
 * @throws CopilotError `ToolFailed` with every field that is wrong and what it should be
 */
export function parseArguments<Input extends z.ZodType>(tool: Tool<Input>, argumentsText: string): z.output<Input> {
  const given = parseObject(tool, argumentsText);
  const parsed = tool.input.safeParse(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null)));
  if (parsed.success) return parsed.data;
  const fields = fieldsOf(tool);
  const problems = parsed.error.issues.map((issue) => describeIssue(issue, fields));
  const expected = fields
    .map(({ name, type, required }) => `${name} (${type}${required ? '' : ', optional'})`)
    .join(', ');
  throw failed(
    tool.name,
    `the arguments do not fit: ${problems.join('; ')}. The fields are: ${expected}. Call it again with these corrected.`,
  );
}

function parseObject(tool: Tool, argumentsText: string): Record<string, unknown> {
  let reason = 'it is not an object';
  try {
    const value: unknown = JSON.parse(argumentsText.trim() || '{}');
    // An object that came out of JSON has string keys only.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const example = JSON.stringify(
    Object.fromEntries(
      fieldsOf(tool)
        .filter(({ required }) => required)
        .map(({ name, type }) => [name, `<${type}>`]),
    ),
  );
  throw failed(
    tool.name,
    `the arguments are not one JSON object (${reason}). Call it again with, for example, ${example}.`,
  );
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
}

function fieldsOf(tool: Tool): Field[] {
  const { properties = {}, required = [] } = z.toJSONSchema(tool.input, { io: 'input' });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    type:
      typeof schema === 'boolean'
        ? 'any'
        : (schema.enum?.map((value) => JSON.stringify(value)).join(' | ') ?? String(schema.type ?? 'any')),
    required: required.includes(name),
  }));
}

function describeIssue(issue: z.core.$ZodIssue, fields: readonly Field[]): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((key) => {
        const near = nearest(
          key,
          fields.map(({ name }) => name),
        );
        return `there is no field ${JSON.stringify(key)}${near === undefined ? '' : ` (did you mean "${near}"?)`}`;
      })
      .join('; ');
  }
  const name = issue.path.join('.');
  const field = fields.find((candidate) => candidate.name === name);
  if (issue.code === 'invalid_type' && issue.input === undefined && issue.message.endsWith('received undefined')) {
    return `"${name}" is missing (${field?.type ?? issue.expected})`;
  }
  return `"${name}": ${issue.message}`;
}

function failed(tool: string, problem: string): CopilotError {
  return new CopilotError('ToolFailed', { tool, problem });
}
