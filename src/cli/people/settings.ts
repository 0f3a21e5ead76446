/** Flags that say what waits for a person and what a turn may use, in the form of a session's settings. */
import { CopilotError } from '../../contracts/errors.ts';
import { type Approvals, type Budget, ToolCategory, type ToolPolicy } from '../../contracts/team.ts';
import { positiveNumber, wholeNumber } from '../numbers.ts';

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
 * The settings that flags name, and no others.
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
    const problem = `there is no such category of tools; use ${ToolCategory.options.join(', ')}`;
    throw new CopilotError('InvalidInput', { what: `--${policy} ${category}`, problem });
  });
  return Object.fromEntries(entries);
}

function budgetOf(flags: SettingFlags): Budget {
  const { budgetTokens, budgetCost, budgetToolCalls, budgetSeconds, budgetRounds } = flags;
  return {
    ...(budgetTokens === undefined ? {} : { tokens: wholeNumber('--budget-tokens', budgetTokens) }),
    ...(budgetCost === undefined ? {} : { cost: positiveNumber('--budget-cost', budgetCost) }),
    ...(budgetToolCalls === undefined ? {} : { toolCalls: wholeNumber('--budget-tool-calls', budgetToolCalls) }),
    ...(budgetSeconds === undefined ? {} : { wallTimeMs: milliseconds('--budget-seconds', budgetSeconds) }),
    ...(budgetRounds === undefined ? {} : { rounds: wholeNumber('--budget-rounds', budgetRounds) }),
  };
}

/** @throws CopilotError `InvalidInput` */
export function milliseconds(flag: string, seconds: string): number {
  return Math.round(positiveNumber(flag, seconds) * 1_000);
}
