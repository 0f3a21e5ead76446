/** What a session may do without asking: its own settings, then those of its mode and its team, then the defaults. */
import { DEFAULT_APPROVAL_TIMEOUT_MS, DEFAULT_INPUT_TIMEOUT_MS } from '../../contracts/limits.ts';
import type { SessionView } from '../../contracts/session-state.ts';
import {
  type Approvals,
  type Budget,
  findMode,
  toolFacts,
  type ToolCategory,
  type ToolPolicy,
} from '../../contracts/team.ts';

const DEFAULT_TOOLS: Partial<Record<ToolCategory, ToolPolicy>> = { code: 'ask', shell: 'ask' };

/** The agent that answers. */
export function answeringAgent({ config, team }: SessionView): string {
  const { agents, answering } = team.definition;
  return config.agent !== undefined && Object.hasOwn(agents, config.agent) ? config.agent : answering.agent;
}

/** For each key the value of the nearest one that has it. */
export function approvalsOf({ team, mode, config }: SessionView): Approvals {
  const layers = [team.definition.approvals, findMode(team.definition, mode)?.approvals, config.approvals];
  const tools = Object.assign({}, DEFAULT_TOOLS, ...layers.map((layer) => layer?.tools ?? {}));
  return { ...Object.assign({}, ...layers), tools };
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

/** The policy for calls of this tool; `deny` if the team has no such tool. */
export function toolPolicy(state: SessionView, name: string): ToolPolicy {
  const facts = toolFacts(state.team.definition, name);
  if (!facts) return 'deny';
  const { category } = facts;
  const { allowCode } = state.config;
  if (category === 'code' && allowCode !== undefined) return allowCode ? 'allow' : 'deny';
  const policy = approvalsOf(state).tools?.[category] ?? 'allow';
  return policy === 'ask' && state.grants.some((grant) => grant.category === category) ? 'allow' : policy;
}
