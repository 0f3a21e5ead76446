/**
 * What session, mode and team say about calls of tools, and in which order it counts. The session sends this along with
 * each call; the worker that runs the call judges it.
 *
 * 1. A `deny` rule that matches denies, whoever wrote it.
 * 2. The policy of the tool's category is that of the nearest layer that has one: session, mode, team, default.
 * 3. An `allow` rule that matches goes before the category's policy of its own layer and of those behind it.
 * 4. An `ask` rule that matches, a `deny` rule that may match, and the tool's own `needsApproval` turn `allow` into `ask`.
 * 5. What a person allowed for the session turns `ask` into `allow`; for a call that a `deny` rule may match, only if a
 *    pattern of theirs matches it.
 *
 * A rule of a nearer layer replaces the same rule, word for word, of those behind it.
 */
import { findPatternProblem } from './rule-patterns.ts';
import { namesTool, parseRule, type ParsedRule } from './rules.ts';
import type { Approvals, TeamDefinition, ToolCategory, ToolPolicy } from './team.ts';

export interface Policies {
  /** Of session, mode and team, in this order, without those that say nothing. */
  readonly layers: readonly Pick<Approvals, 'tools' | 'rules'>[];
  /** What people allowed for this session. */
  readonly granted: { readonly categories: readonly ToolCategory[]; readonly rules: readonly string[] };
}

/** A rule in force. */
export interface LayeredRule extends ParsedRule {
  /** As it is written. */
  readonly rule: string;
  readonly policy: ToolPolicy;
  /** Index of its layer: the lower, the nearer. */
  readonly layer: number;
}

const DEFAULTS: Partial<Record<ToolCategory, ToolPolicy>> = { code: 'ask', shell: 'ask' };

/** The policy for a category, with the index of the layer that says so. */
export function categoryPolicy(
  { layers }: Pick<Policies, 'layers'>,
  category: ToolCategory,
): { readonly policy: ToolPolicy; readonly layer: number } {
  const layer = layers.findIndex(({ tools }) => tools?.[category] !== undefined);
  const policy = layers[layer]?.tools?.[category] ?? DEFAULTS[category] ?? 'allow';
  return { policy, layer: layer < 0 ? layers.length : layer };
}

/** The rules in force that are about this tool. */
export function rulesFor({ layers }: Pick<Policies, 'layers'>, tool: string): LayeredRule[] {
  const inForce = new Map<string, LayeredRule>();
  for (const [layer, { rules = {} }] of layers.entries()) {
    for (const [rule, policy] of Object.entries(rules)) {
      const parsed = parseRule(rule);
      if (parsed && namesTool(parsed.tool, tool) && !inForce.has(rule))
        inForce.set(rule, { ...parsed, rule, policy, layer });
    }
  }
  return [...inForce.values()];
}

type KnownTools = Pick<TeamDefinition, 'tools' | 'mcp'>;

/** The first rule that can match no call of the team: misspelt, it would deny nothing. Undefined if there is none. */
export function findUselessRule(
  definition: KnownTools,
  rules?: Readonly<Record<string, unknown>>,
): UselessRule | undefined {
  return uselessRules(definition, rules)[0];
}

export interface UselessRule {
  readonly rule: string;
  readonly problem: string;
}

export function uselessRules(definition: KnownTools, rules: Readonly<Record<string, unknown>> = {}): UselessRule[] {
  return Object.keys(rules).flatMap((rule) => {
    const problem = findRuleProblem(definition, rule);
    return problem === undefined ? [] : [{ rule, problem }];
  });
}

/** Why a rule can match no call of the team, or undefined if it can. */
export function findRuleProblem({ tools, mcp = {} }: KnownTools, rule: string): string | undefined {
  const { tool = '', pattern } = parseRule(rule) ?? {};
  const named = [...Object.keys(tools), ...Object.keys(mcp).map((server) => `${server}.*`)];
  if (!named.some((name) => namesTool(name, tool)))
    return `it names no category and no tool of the team, which has ${named.join(', ')}`;
  if (pattern === undefined) return undefined;
  return findPatternProblem(tool, Object.hasOwn(tools, tool) ? tools[tool]?.subject : undefined, pattern);
}

/** Whether no call of this tool can be allowed, so that agents need not know it. */
export function isOutOfReach(policies: Pick<Policies, 'layers'>, tool: string, category: ToolCategory): boolean {
  const rules = rulesFor(policies, tool);
  if (rules.some(({ policy, pattern }) => policy === 'deny' && pattern === undefined)) return true;
  const { policy, layer } = categoryPolicy(policies, category);
  return policy === 'deny' && !rules.some((rule) => rule.policy === 'allow' && rule.layer <= layer);
}
