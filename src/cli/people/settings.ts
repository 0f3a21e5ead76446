/** Turns the flags for approvals, tools and budgets into settings of a session. */
import { CopilotError } from '../../contracts/errors.ts';
import { type Approvals, type Budget, ToolCategory, type ToolPolicy } from '../../contracts/team.ts';
import { parsePositiveNumber, parseWholeNumber } from '../numbers.ts';

export interface SettingFlags {
  readonly approvePlan?: boolean;
  readonly approveBeforeStep?: boolean;
  readonly approveAfterStep?: boolean;
  readonly ask?: readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly approvalTimeout?: string;
  readonly inputTimeout?: string;
  readonly budgetTokens?: string;
  readonly budgetCost?: string;
  readonly budgetToolCalls?: string;
  readonly budgetSeconds?: string;
  readonly budgetRounds?: string;
  readonly allowCode?: boolean;
  /** False with `--no-code`, else true. */
  readonly code?: boolean;
}

interface Settings {
  readonly approvals?: Approvals;
  readonly budget?: Budget;
  readonly allowCode?: boolean;
}

/**
 * Only the settings that the flags name.
 * @throws CopilotError `InvalidInput`
 */
export function settingsOf(flags: SettingFlags): Settings {
  const approvals = approvalsOf(flags);
  const budget = budgetOf(flags);
  const allowCode = flags.code === false ? false : flags.allowCode;
  if (flags.code === false && flags.allowCode) {
    throw new CopilotError('InvalidInput', { what: '--no-code', problem: 'it contradicts --allow-code' });
  }
  return {
    ...(Object.keys(approvals).length === 0 ? {} : { approvals }),
    ...(Object.keys(budget).length === 0 ? {} : { budget }),
    ...(allowCode === undefined ? {} : { allowCode }),
  };
}

function approvalsOf(flags: SettingFlags): Approvals {
  const { approvePlan, approveBeforeStep, approveAfterStep, approvalTimeout, inputTimeout } = flags;
  const tools = { ...policies(flags.allow, 'allow'), ...policies(flags.ask, 'ask'), ...policies(flags.deny, 'deny') };
  return {
    ...(approvePlan === undefined ? {} : { plan: approvePlan }),
    ...(approveBeforeStep === undefined ? {} : { beforeStep: approveBeforeStep }),
    ...(approveAfterStep === undefined ? {} : { afterStep: approveAfterStep }),
    ...(Object.keys(tools).length === 0 ? {} : { tools }),
    ...(approvalTimeout === undefined ? {} : { timeoutMs: milliseconds('--approval-timeout', approvalTimeout) }),
    ...(inputTimeout === undefined ? {} : { inputTimeoutMs: milliseconds('--input-timeout', inputTimeout) }),
  };
}

function policies(categories: readonly string[] = [], policy: ToolPolicy): Approvals['tools'] {
  const entries = categories.map((category) => {
    const parsed = ToolCategory.safeParse(category);
    if (parsed.success) return [parsed.data, policy] as const;
    const problem = `there is no such tool category; use one of ${ToolCategory.options.join(', ')}`;
    throw new CopilotError('InvalidInput', { what: `--${policy} ${category}`, problem });
  });
  return Object.fromEntries(entries);
}

function budgetOf(flags: SettingFlags): Budget {
  const { budgetTokens, budgetCost, budgetToolCalls, budgetSeconds, budgetRounds } = flags;
  return {
    ...(budgetTokens === undefined ? {} : { tokens: parseWholeNumber('--budget-tokens', budgetTokens) }),
    ...(budgetCost === undefined ? {} : { cost: parsePositiveNumber('--budget-cost', budgetCost) }),
    ...(budgetToolCalls === undefined ? {} : { toolCalls: parseWholeNumber('--budget-tool-calls', budgetToolCalls) }),
    ...(budgetSeconds === undefined ? {} : { wallTimeMs: milliseconds('--budget-seconds', budgetSeconds) }),
    ...(budgetRounds === undefined ? {} : { rounds: parseWholeNumber('--budget-rounds', budgetRounds) }),
  };
}

/** @throws CopilotError `InvalidInput` */
export function milliseconds(flag: string, seconds: string): number {
  return Math.round(parsePositiveNumber(flag, seconds) * 1_000);
}
