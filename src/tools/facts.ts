/** Facts of tools as this worker knows them. A session's definition of its team may say something else, and is not asked. */
import { mcpFacts, type TeamDefinition } from '../contracts/team.ts';
import type { ToolFacts } from '../contracts/tool.ts';
import { splitName } from './mcp/names.ts';
import { findTool } from './registry.ts';

/**
 * Facts of built-in tools are the worker's; those of an MCP server are in its declaration, which a worker opens only if
 * it trusts it. Undefined if there is no such tool.
 */
export function factsOf(name: string, { mcp }: Pick<TeamDefinition, 'mcp'>): ToolFacts | undefined {
  return splitName(name) ? mcpFacts({ mcp }, name) : findTool(name);
}
