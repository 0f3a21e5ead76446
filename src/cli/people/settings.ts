/** Turns the flags for approvals, tools and budgets into settings of a session. */
import { CopilotError } from '../../contracts/errors.ts';
import { Rule } from '../../contracts/rules.ts';
import { type Approvals, type Budget, ToolCategory, type ToolPolicy } from '../../contracts/team.ts';
import { dropUndefined } from '../../client/defined-fields.ts';
import { optional, parsePositiveNumber, parseWholeNumber } from '../numbers.ts';

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
  const allowCode = flags.code === false ? false : flags.allowCode;
  if (flags.code === false && flags.allowCode) {
    throw new CopilotError('InvalidInput', { what: '--no-code', problem: 'it contradicts --allow-code' });
  }
  return dropUndefined({ approvals: unlessEmpty(approvalsOf(flags)), budget: unlessEmpty(budgetOf(flags)), allowCode });
}

function approvalsOf(flags: SettingFlags): Approvals {
  const policies = (['allow', 'ask', 'deny'] as const).flatMap((policy) => policiesOf(flags[policy], policy));
  return dropUndefined({
    plan: flags.approvePlan,
    beforeStep: flags.approveBeforeStep,
    afterStep: flags.approveAfterStep,
    tools: unlessEmpty(Object.fromEntries(policies.filter(([name]) => isCategory(name)))),
    rules: unlessEmpty(Object.fromEntries(policies.filter(([name]) => !isCategory(name)))),
    timeoutMs: milliseconds('--approval-timeout', flags.approvalTimeout),
    inputTimeoutMs: milliseconds('--input-timeout', flags.inputTimeout),
  });
}

/** Categories, and rules, which have a tool and perhaps a pattern. */
function policiesOf(names: readonly string[] = [], policy: ToolPolicy): [string, ToolPolicy][] {
  return names.map((name) => {
    if (isCategory(name) || Rule.safeParse(name).success) return [name, policy];
    const problem = `it is no category (${ToolCategory.options.join(', ')}) and no rule, such as "shell: git status*"`;
    throw new CopilotError('InvalidInput', { what: `--${policy} ${name}`, problem });
  });
}

function isCategory(name: string): boolean {
  return ToolCategory.safeParse(name).success;
}

function budgetOf(flags: SettingFlags): Budget {
  return dropUndefined({
    tokens: optional(parseWholeNumber, '--budget-tokens', flags.budgetTokens),
    cost: optional(parsePositiveNumber, '--budget-cost', flags.budgetCost),
    toolCalls: optional(parseWholeNumber, '--budget-tool-calls', flags.budgetToolCalls),
    wallTimeMs: milliseconds('--budget-seconds', flags.budgetSeconds),
    rounds: optional(parseWholeNumber, '--budget-rounds', flags.budgetRounds),
  });
}

/** Seconds in milliseconds. @throws CopilotError `InvalidInput` */
export function milliseconds(flag: string, seconds: string | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(parsePositiveNumber(flag, seconds) * 1_000);
}

function unlessEmpty<T extends object>(values: T): T | undefined {
  return Object.keys(values).length === 0 ? undefined : values;
}
