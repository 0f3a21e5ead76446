/** What a session may do without asking: its own settings first, then its mode's, its team's, and the defaults. */
import { DEFAULT_APPROVAL_TIMEOUT_MS, DEFAULT_INPUT_TIMEOUT_MS } from '../../contracts/limits.ts';
import type { SessionState } from '../../contracts/session.ts';
import {
  type Approvals,
  type Budget,
  findMode,
  toolFacts,
  type ToolCategory,
  type ToolPolicy,
} from '../../contracts/team.ts';

const DEFAULT_TOOLS: Partial<Record<ToolCategory, ToolPolicy>> = { code: 'ask', shell: 'ask' };

/** Key by key, the nearest one that says something. */
export function approvalsOf({ team, mode, config }: SessionState): Approvals {
  const layers = [team.definition.approvals, findMode(team.definition, mode)?.approvals, config.approvals];
  const tools = Object.assign({}, DEFAULT_TOOLS, ...layers.map((layer) => layer?.tools ?? {}));
  return { ...Object.assign({}, ...layers), tools };
}

export function budgetOf({ team, mode, config }: SessionState): Budget {
  return { ...team.definition.budget, ...findMode(team.definition, mode)?.budget, ...config.budget };
}

export function timeoutMsOf({ timeoutMs, inputTimeoutMs }: Approvals): { timeoutMs: number; inputTimeoutMs: number } {
  return {
    timeoutMs: timeoutMs ?? DEFAULT_APPROVAL_TIMEOUT_MS,
    inputTimeoutMs: inputTimeoutMs ?? DEFAULT_INPUT_TIMEOUT_MS,
  };
}

/** What holds for calls of this tool; `deny` also for one that the team does not have. */
export function toolPolicy(state: SessionState, name: string): ToolPolicy {
  const facts = toolFacts(state.team.definition, name);
  if (!facts) return 'deny';
  const { category } = facts;
  const { allowCode } = state.config;
  if (category === 'code' && allowCode !== undefined) return allowCode ? 'allow' : 'deny';
  const policy = approvalsOf(state).tools?.[category] ?? 'allow';
  return policy === 'ask' && state.grants.some((grant) => grant.category === category) ? 'allow' : policy;
}
