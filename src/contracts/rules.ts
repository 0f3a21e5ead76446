/**
 * Rules say what happens to a call, by its tool and a pattern of its arguments: `shell: git status*`. This file knows how
 * a rule is written. `tools/approval/` knows what it matches, since that takes files and a parser of commands.
 */
import { z } from 'zod';

/** What patterns of a tool's rules are compared with: a command line, a URL, a path, or a folder with all that is in it. */
export const SubjectKind = z.enum(['command', 'url', 'path', 'tree']);
export type SubjectKind = z.infer<typeof SubjectKind>;

const MAX_RULE_LENGTH = 500;
const MAX_RULES = 100;

/** A tool, `server.*` for all tools of an MCP server, and perhaps a pattern of its argument. */
const FORM = /^([A-Za-z_][\w/-]*(?:\.[\w./-]+|\.\*)?)(?:\s*:\s*(\S.*))?$/u;

/** `tool`, or `tool: pattern`. */
export const Rule = z
  .string()
  .max(MAX_RULE_LENGTH)
  .refine((text) => !/\p{Cc}/u.test(text) && FORM.test(text), {
    error: 'it is not a rule; write `tool` or `tool: pattern`, such as `shell: git status*`',
  });
export type Rule = z.infer<typeof Rule>;

export const TOO_MANY_RULES = `it has more than ${MAX_RULES} rules`;

/** Whether one place has no more rules than are read in time for each call. */
export function areFew(rules: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(rules).length <= MAX_RULES;
}

export interface ParsedRule {
  /** Name of a tool, or `server.*`. */
  readonly tool: string;
  /** Absent if the rule is about every call of the tool. */
  readonly pattern?: string;
}

/** The parts of a rule. @returns undefined if the text is none */
export function parseRule(text: string): ParsedRule | undefined {
  const [, tool, pattern] = FORM.exec(text) ?? [];
  if (tool === undefined) return undefined;
  return { tool, ...(pattern === undefined ? {} : { pattern: pattern.trim() }) };
}

/** Whether a rule's tool, or a worker's ceiling, names this tool. */
export function namesTool(named: string, tool: string): boolean {
  return named === tool || (named.endsWith('.*') && tool.startsWith(named.slice(0, -1)));
}
