/** The tools of a worker: those that are built in and its own, how a model sees them, and how a call runs one. */
import { CopilotError } from '../contracts/errors.ts';
import { calculate } from './code/calculate.ts';
import type { CodeRunner } from './code/code-runner.ts';
import { runCode, runCodeBy } from './code/run-code.ts';
import { shell, shellBy } from './code/shell.ts';
import { parseArguments } from './definition/arguments.ts';
import { isTool } from './definition/define-tool.ts';
import { runLimited } from './definition/limited-run.ts';
import type { Tool, ToolContext, ToolResult } from './definition/tool.ts';
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

/** The tools of a worker by name. */
export type Tools = ReadonlyMap<string, Tool>;

export const builtInTools: Tools = new Map(BUILT_IN.map((tool) => [tool.name, tool]));

/**
 * The built-in tools and those of a worker's own.
 * @param runner runs the code of agents. Default: child processes
 * @throws CopilotError `InvalidTool` if two have the same name
 */
export function withOwnTools(own: readonly Tool[] = [], runner?: CodeRunner): Tools {
  const tools = new Map(builtInTools);
  for (const tool of runner ? [runCodeBy(runner), shellBy(runner)] : []) tools.set(tool.name, tool);
  for (const tool of own) {
    if (!isTool(tool))
      throw new CopilotError('InvalidInput', { what: 'tools', problem: 'one is not made by defineTool' });
    const { name, definedAt } = tool;
    // Models mix up upper and lower case.
    const other = [...tools.values()].find((known) => known.name.toLowerCase() === name.toLowerCase());
    if (other) {
      const problem = builtInTools.has(other.name)
        ? 'a built-in tool has this name; choose another'
        : `another tool of this name is defined at ${other.definedAt}; rename one of them`;
      throw new CopilotError('InvalidTool', { tool: name, at: definedAt, problem });
    }
    tools.set(name, tool);
  }
  return tools;
}

export function modelSchema({ name, description, schema }: Tool): ModelSchema {
  return { name, description, parameters: schema };
}

/**
 * Runs a tool with the arguments as the model wrote them.
 * @throws CopilotError `ToolFailed` if the tool is unknown, the arguments are invalid, or the tool fails, see
 * {@link runLimited}; the signal's reason if it aborts
 */
export async function runTool(
  tools: Tools,
  name: string,
  argumentsText: string,
  context: ToolContext,
): Promise<ToolResult> {
  const tool = tools.get(name);
  if (tool === undefined) {
    const near = nearest(name, tools.keys());
    const hint = near === undefined ? '' : ` Did you mean "${near}"?`;
    throw refusal({ tool: name }, `there is no such tool.${hint} The tools are: ${[...tools.keys()].join(', ')}.`);
  }
  context.signal.throwIfAborted();
  return await runLimited(tool, await parseArguments(tool, argumentsText), context);
}
