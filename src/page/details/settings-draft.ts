/** Settings of a session as somebody edits them, and what of that is sent. Nothing here knows the browser. */
import type { Approvals, Budget, ConfigureOptions, SessionReport } from '../../client.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DEFAULT_IDLE_HOURS = '24';

/** Numbers are texts as they are typed; empty: no limit. */
export interface Draft {
  readonly mode: string;
  /** Several in the order in which they are tried, with commas. Empty: as the team says. */
  readonly model: string;
  readonly agent: string;
  readonly approvals: Approvals;
  readonly budget: Readonly<Record<'tokens' | 'cost' | 'toolCalls' | 'minutes', string>>;
  /** Empty: never. */
  readonly idleHours: string;
}

type Configured = Pick<SessionReport, 'mode' | 'config'>;

export function draftOf({ mode, config }: Configured): Draft {
  const { model, agent, approvals, budget, idleTimeoutMs } = config;
  return {
    mode,
    model: model === undefined ? '' : [model].flat().join(', '),
    agent: agent ?? '',
    approvals: approvals ?? {},
    budget: {
      tokens: textOf(budget?.tokens),
      cost: textOf(budget?.cost),
      toolCalls: textOf(budget?.toolCalls),
      minutes: textOf(budget?.wallTimeMs, MINUTE_MS),
    },
    idleHours: idleTimeoutMs === undefined ? DEFAULT_IDLE_HOURS : textOf(idleTimeoutMs, HOUR_MS),
  };
}

const textOf = (number: number | null | undefined, unit = 1): string => (number == null ? '' : String(number / unit));

/** What `edited` changes. A setting that became empty is reset. */
export function settingsOf(edited: Draft, before: Draft): ConfigureOptions {
  const old: Readonly<Record<string, unknown>> = valuesOf(before);
  return Object.fromEntries(
    Object.entries(valuesOf(edited)).filter(([name, value]) => inOrder(value) !== inOrder(old[name])),
  );
}

function valuesOf({ mode, model, agent, approvals, budget, idleHours }: Draft): Omit<ConfigureOptions, 'signal'> {
  return {
    mode,
    model: modelOf(model),
    agent: agent.trim() || null,
    approvals: isEmpty(approvals) ? null : approvals,
    budget: budgetOf(budget),
    idleTimeoutMs: numberOf(idleHours, HOUR_MS) ?? null,
  };
}

/** As JSON, whatever the order of keys. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => {
    const isObject = typeof part === 'object' && part !== null && !Array.isArray(part);
    return isObject
      ? Object.fromEntries(Object.entries(part).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : part;
  });
}

function modelOf(text: string): string | string[] | null {
  const names = text.split(',').flatMap((name) => name.trim() || []);
  const [first, ...others] = names;
  return first === undefined ? null : others.length === 0 ? first : names;
}

function budgetOf({ tokens, cost, toolCalls, minutes }: Draft['budget']): Budget | null {
  const given = {
    tokens: numberOf(tokens),
    cost: numberOf(cost),
    toolCalls: numberOf(toolCalls),
    wallTimeMs: numberOf(minutes, MINUTE_MS),
  };
  const limits = Object.entries(given).filter(([, limit]) => limit !== undefined);
  return limits.length === 0 ? null : Object.fromEntries(limits);
}

const numberOf = (text: string, unit = 1): number | undefined =>
  text.trim() === '' ? undefined : Number((Number(text) * unit).toPrecision(12));

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
