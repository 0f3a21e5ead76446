/** The built-in tools: how a model sees them, and how its call runs one. */
import { z } from 'zod';
import type { Tool, ToolContext, ToolResult } from '../contracts/tool.ts';
import { parseArguments } from './arguments.ts';
import { calculate } from './code/calculate.ts';
import { runCode } from './code/run-code.ts';
import { shell } from './code/shell.ts';
import { askUser, remember } from './engine-tools.ts';
import { appendFile } from './files/append-file.ts';
import { editFile } from './files/edit-file.ts';
import { listFiles } from './files/list-files.ts';
import { readFile } from './files/read-file.ts';
import { searchFiles } from './files/search-files.ts';
import { writeFile } from './files/write-file.ts';
import { nearest } from './nearest.ts';
import { refusal } from './refusal.ts';
import { plotChart } from '../tables/plot-chart.ts';
import { tableProfile } from '../tables/table-profile.ts';
import { tableQuery } from '../tables/table-query.ts';
import { fetchUrl } from './web/fetch-url.ts';

/** How a request to a model describes a function. */
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
  tableProfile,
  tableQuery,
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
  const { $schema: _, ...parameters } = z.toJSONSchema(tool.input, {
    io: 'input',
    // Any safe integer: that tells a model nothing.
    override: ({ jsonSchema }) => {
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  return { name: tool.name, description: tool.description, parameters };
}

/**
 * Runs a built-in tool with the arguments as the model wrote them.
 * @throws CopilotError `ToolFailed` if the tool is unknown, the arguments are invalid, or the tool refuses; the signal's
 * reason if it aborts
 */
export async function runTool(name: string, argumentsText: string, context: ToolContext): Promise<ToolResult> {
  const tool = findTool(name);
  if (tool === undefined) {
    const near = nearest(name, tools.keys());
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw refusal({ tool: name }, `there is no such tool.${hint} The tools are: ${[...tools.keys()].join(', ')}.`);
  }
  context.signal.throwIfAborted();
  return tool.run(parseArguments(tool, argumentsText), context);
}
