/** Facts of tools as this worker knows them. A session's definition of its team may say something else, and is not asked. */
import { type DefinedTool, mcpFacts, type TeamDefinition } from '../contracts/team.ts';
import type { ToolFacts } from '../contracts/tool.ts';
import type { Tool } from './definition/tool.ts';
import { splitName } from './mcp/names.ts';
import type { Tools } from './registry.ts';

/**
 * Facts of built-in and own tools are the worker's; those of an MCP server are in its declaration, which a worker opens only if
 * it trusts it. Undefined if there is no such tool.
 */
export function factsOf(name: string, { mcp }: Pick<TeamDefinition, 'mcp'>, tools: Tools): ToolFacts | undefined {
  return splitName(name) ? mcpFacts({ mcp }, name) : tools.get(name);
}

export type DescribedTool = ToolFacts & Pick<Tool, 'subject'>;

/** What a team's definition says of a tool. Fields are picked one by one, because the tool has its code beside them. */
export function definedTool({ name, effects, category, timeoutMs, subject }: DescribedTool): DefinedTool {
  return { name, effects, category, timeoutMs, ...(subject ? { subject: subject.kind } : {}) };
}
