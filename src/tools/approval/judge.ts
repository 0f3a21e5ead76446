/** Judges calls by the policies of a session. `contracts/policies.ts` has the order in which they count. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Judgement } from '../../contracts/activities.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { categoryPolicy, type LayeredRule, type Policies, rulesFor } from '../../contracts/policies.ts';
import type { Coverage } from '../../contracts/request.ts';
import { namesTool, parseRule } from '../../contracts/rules.ts';
import type { TeamDefinition } from '../../contracts/team.ts';
import type { ToolFacts } from '../../contracts/tool.ts';
import { parseArguments } from '../definition/arguments.ts';
import type { ApprovalContext, Tool } from '../definition/tool.ts';
import { factsOf } from '../facts.ts';
import type { Tools } from '../registry.ts';
import { ceilingReason, type Ceilings, findCeiling } from './ceilings.ts';
import type { Match } from './match.ts';
import { readSubject, type Subject } from './subject.ts';

export interface JudgedCall {
  readonly name: string;
  /** JSON text as the model or a person wrote it. */
  readonly arguments: string;
}

/** A predicate that takes longer counts as yes. */
const PREDICATE_TIMEOUT_MS = 5_000;

export interface JudgeOptions extends ApprovalContext {
  /** Those of this worker. */
  readonly tools: Tools;
  readonly definition: Pick<TeamDefinition, 'mcp' | 'agents'>;
  readonly policies: Policies;
  readonly ceilings: Ceilings;
}

/** @returns null if there is no such tool */
export async function judgeCall(call: JudgedCall, options: JudgeOptions): Promise<Judgement | null> {
  const facts = factsOf(call.name, options.definition, options.tools);
  if (!facts) return null;
  const { category, effects, timeoutMs } = facts;
  const ceiling = findCeiling(options.ceilings, facts);
  if (ceiling !== undefined)
    return { category, effects, timeoutMs, policy: 'deny', reason: ceilingReason(ceiling), ceiling };
  const input = new Input(call, options);
  const { isByCategory = true, ...decided } = await decide(facts, options.policies, input);
  return {
    category,
    effects,
    timeoutMs,
    ...decided,
    ...(decided.policy === 'ask' ? { covers: await coverageOf(facts, options, input, isByCategory) } : {}),
  };
}

interface Decided extends Pick<Judgement, 'policy' | 'reason'> {
  /** Whether allowing the category would allow the call. Default true. */
  readonly isByCategory?: boolean;
}

async function decide(facts: ToolFacts, policies: Policies, input: Input): Promise<Decided> {
  const matches = new Map<LayeredRule, Match>();
  for (const rule of rulesFor(policies, facts.name))
    matches.set(rule, await matchOf(rule.pattern, input, rule.policy === 'allow'));
  const matching = (policy: string, match: Match) =>
    [...matches].filter(([rule, found]) => rule.policy === policy && found === match).map(([rule]) => rule);

  const [denying] = matching('deny', 'yes');
  if (denying) return { policy: 'deny', reason: `the rule "${denying.rule}" denies it` };
  const base = categoryPolicy(policies, facts.category);
  const isAllowed = matching('allow', 'yes').some(({ layer }) => layer <= base.layer);
  if (base.policy === 'deny' && !isAllowed) {
    return { policy: 'deny', reason: `calls of the category ${facts.category} are denied in this session` };
  }
  const { granted } = policies;
  if (await isGranted(granted.rules, facts.name, input)) return { policy: 'allow' };
  if (matching('deny', 'maybe').length > 0) return { policy: 'ask', isByCategory: false };
  if (granted.categories.includes(facts.category)) return { policy: 'allow' };
  const isAsked =
    (base.policy === 'ask' && !isAllowed) ||
    matching('ask', 'yes').length + matching('ask', 'maybe').length > 0 ||
    (await input.needsApproval());
  return { policy: isAsked ? 'ask' : 'allow' };
}

async function isGranted(rules: readonly string[], tool: string, input: Input): Promise<boolean> {
  for (const text of rules) {
    const rule = parseRule(text);
    if (rule && namesTool(rule.tool, tool) && (await matchOf(rule.pattern, input, true)) === 'yes') return true;
  }
  return false;
}

async function matchOf(pattern: string | undefined, input: Input, isStrict: boolean): Promise<Match> {
  if (pattern === undefined) return 'yes';
  const subject = await input.subject();
  if (!subject) return isStrict ? 'no' : 'maybe';
  return subject.matches(pattern, isStrict);
}

async function coverageOf(
  { name, category }: ToolFacts,
  { definition, tools: known }: JudgeOptions,
  input: Input,
  isByCategory: boolean,
): Promise<Coverage> {
  const pattern = (await input.subject())?.exact;
  const rule = pattern === undefined ? {} : { rule: `${name}: ${pattern}` };
  if (!isByCategory) return { tools: [], ...rule };
  const named = Object.values(definition.agents).flatMap(({ tools }) => tools);
  const tools = [...new Set(named)].filter((tool) => factsOf(tool, definition, known)?.category === category).sort();
  return { tools, ...rule };
}

/** The arguments of one call, read once and only if somebody asks. */
class Input {
  readonly #call: JudgedCall;
  readonly #tool: Tool | undefined;
  readonly #context: ApprovalContext;
  #parsed: Promise<unknown> | undefined;
  #subject: Promise<Subject | undefined> | undefined;

  constructor(call: JudgedCall, { tools, session, workspace }: JudgeOptions) {
    this.#call = call;
    this.#tool = tools.get(call.name);
    this.#context = { session, workspace };
  }

  /** What patterns are compared with; undefined if the tool has nothing of the kind, or its arguments are not valid. */
  async subject(): Promise<Subject | undefined> {
    return await (this.#subject ??= this.#read());
  }

  async #read(): Promise<Subject | undefined> {
    const tool = this.#tool;
    if (!tool?.subject) return undefined;
    const input = await this.#parse();
    if (typeof input !== 'object' || input === null) return undefined;
    const { workspace } = this.#context;
    try {
      const paths = await tool.subjectPaths?.(input, this.#context);
      return await readSubject(tool.subject, input, { tool: tool.name, workspace }, paths);
    } catch (error) {
      if (error instanceof CopilotError) return undefined;
      throw error;
    }
  }

  async needsApproval(): Promise<boolean> {
    const tool = this.#tool;
    if (!tool?.needsApproval) return false;
    const input = await this.#parse();
    // The tool itself tells the agent what is wrong with its arguments.
    if (input === undefined) return false;
    try {
      const timeout = sleep(PREDICATE_TIMEOUT_MS, true, { ref: false });
      return (await Promise.race([tool.needsApproval(input, this.#context), timeout])) !== false;
    } catch {
      return true;
    }
  }

  /** @returns undefined if the arguments are not valid */
  async #parse(): Promise<unknown> {
    const tool = this.#tool;
    if (!tool) return undefined;
    this.#parsed ??= parseArguments(tool, this.#call.arguments).catch((error: unknown) => {
      if (error instanceof CopilotError) return undefined;
      throw error;
    });
    return await this.#parsed;
  }
}
