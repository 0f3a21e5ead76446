/** What everybody needs to know of a tool. What it does is in `tools/definition/`. */
import type { ToolCategory } from './team.ts';

/**
 * `none`: running it again gives the same world, so it is retried freely.
 * `external`: never repeated blindly. If its worker died while it ran, and the tool cannot find out what became of it, a
 * person is asked.
 */
export type ToolEffects = 'none' | 'external';

/** What the turn engine needs to know of a tool; part of a team's definition. */
export interface ToolFacts {
  readonly name: string;
  readonly effects: ToolEffects;
  readonly category: ToolCategory;
  /** Longest run in milliseconds. */
  readonly timeoutMs: number;
}

/** Whether a list of tools has one of this name: itself, or as `server.*` with all tools of its MCP server. */
export function isOffered(tools: readonly string[], name: string): boolean {
  return tools.includes(name) || (name.includes('.') && tools.includes(`${name.slice(0, name.indexOf('.'))}.*`));
}

/** Where `fetch_url` may go. */
export interface NetworkRules {
  /** Host names, or `*.example.org` for every name below example.org; lower case. Empty: every public host. */
  readonly allow: readonly string[];
  /** Whether addresses that are not public (loopback, intranet, …) may be reached. */
  readonly private: boolean;
}
