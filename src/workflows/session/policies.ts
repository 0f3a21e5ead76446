/** What a session may do without asking: its own settings, then those of its mode and its team, then the defaults. */
import type { Judgement } from '../../contracts/activities.ts';
import { DEFAULT_APPROVAL_TIMEOUT_MS, DEFAULT_INPUT_TIMEOUT_MS } from '../../contracts/limits.ts';
import { isOutOfReach, type Policies, uselessRules } from '../../contracts/policies.ts';
import type { SessionView } from '../../contracts/session-state.ts';
import { type Approvals, type Budget, findMode, toolFacts } from '../../contracts/team.ts';
import type { LiveSession } from './live-session.ts';

/** The agent that answers. */
export function answeringAgent({ config, team }: SessionView): string {
  const { agents, answering } = team.definition;
  return config.agent !== undefined && Object.hasOwn(agents, config.agent) ? config.agent : answering.agent;
}

/** For each key the value of the nearest one that has it. */
export function approvalsOf({ team, mode, config }: SessionView): Omit<Approvals, 'tools' | 'rules'> {
  const layers = [team.definition.approvals, findMode(team.definition, mode)?.approvals, config.approvals];
  return Object.assign({}, ...layers);
}

export function budgetOf({ team, mode, config }: SessionView): Budget {
  return { ...team.definition.budget, ...findMode(team.definition, mode)?.budget, ...config.budget };
}

/** Whether the usage of a turn is counted against a limit. */
export function hasBudget(state: SessionView): boolean {
  return Object.keys(budgetOf(state)).length > 0;
}

export function timeoutMsOf({ timeoutMs, inputTimeoutMs }: Approvals): { timeoutMs: number; inputTimeoutMs: number } {
  return {
    timeoutMs: timeoutMs ?? DEFAULT_APPROVAL_TIMEOUT_MS,
    inputTimeoutMs: inputTimeoutMs ?? DEFAULT_INPUT_TIMEOUT_MS,
  };
}

/** What decides about calls of tools. The worker that runs a call judges it by this. */
export function policiesOf({ team, mode, config, grants }: SessionView): Policies {
  const { allowCode, approvals } = config;
  const code = allowCode === undefined ? {} : { code: allowCode ? ('allow' as const) : ('deny' as const) };
  const layers = [
    { ...approvals, tools: { ...approvals?.tools, ...code } },
    findMode(team.definition, mode)?.approvals,
    team.definition.approvals,
  ];
  return {
    layers: layers.flatMap(({ tools = {}, rules = {} } = {}) =>
      Object.keys(tools).length + Object.keys(rules).length === 0 ? [] : [{ tools, rules }],
    ),
    granted: {
      categories: grants.filter(({ rule }) => rule === undefined).map(({ category }) => category),
      rules: grants.flatMap(({ rule }) => rule ?? []),
    },
  };
}

/** Tells people of the rules that a session begins with and that can match no call: they would deny nothing. */
export function noteUselessRules({ state, view }: LiveSession): void {
  for (const { rule, problem } of uselessRules(state.team.definition, state.config.approvals?.rules))
    view.note(`The rule "${rule}" has no effect: ${problem}.`);
}

/** Whether a call waits for a person. The worker judged it before; since then people may have allowed such calls. */
export function mustAsk({ grants }: SessionView, { policy, category, covers }: Judgement): boolean {
  const isCovered = covers !== undefined && covers.tools.length > 0;
  return policy === 'ask' && !(isCovered && grants.some((grant) => !grant.rule && grant.category === category));
}

/** Those of these tools that agents are offered. What the team's definition says of them suffices for that. */
export function offerable(state: SessionView, tools: readonly string[]): string[] {
  const policies = policiesOf(state);
  return tools.filter((name) => {
    const facts = toolFacts(state.team.definition, name);
    return facts !== undefined && !isOutOfReach(policies, name, facts.category);
  });
}
