/** Which keys a merge changes, which it leaves alone, and why. */
import {
  ContextKey,
  type ContextValues,
  isReservedKey,
  jsonProblem,
  MergeStrategy,
} from '../../../contracts/context.ts';
import { toFailure } from '../../../contracts/errors.ts';
import { type Json, type JsonObject, memberOf } from '../../../contracts/json.ts';
import { check } from '../../input-check.ts';
import { copyReusing, isEqual } from '../tree.ts';
import type { Values } from './values.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';

export interface Isolation {
  /**
   * Whether what is handed in or out is a copy. Default true. With false the caller promises never to change
   * what it has handed in, or what it was given.
   */
  readonly isolate?: boolean;
}

export interface MergeOptions extends Isolation {
  /** Default `safe`. */
  readonly strategy?: MergeStrategy;
  /** What `prefixed` puts before each key, as it is. */
  readonly prefix?: string;
}

export interface MergePlan {
  /** Undefined for a key that is removed. */
  readonly changes: ReadonlyMap<string, Json | undefined>;
  readonly skipped: readonly string[];
}

/**
 * The value to store under a key: `previous` if it is equal.
 * @throws InvalidInput if the key or the value is not allowed
 */
export function storable(key: string, value: Json, previous: Json | undefined, isolate: boolean): Json {
  const name = typeof key === 'string' ? `"${beginningOf(key, 60)}"` : String(key);
  check(ContextKey, key, `Context key ${name}`);
  const problem = jsonProblem(value);
  if (problem !== undefined) throw toFailure('InvalidInput', { what: `Context value ${name}`, problem });
  if (isolate) return copyReusing(value, previous);
  return previous !== undefined && isEqual(value, previous) ? previous : value;
}

/** @throws InvalidInput for an unknown strategy, a missing prefix, and values that may not be */
export function planMerge(
  values: ContextValues,
  present: Values,
  isProtected: (key: string) => boolean,
  { strategy = 'safe', prefix, isolate = true }: MergeOptions,
): MergePlan {
  checkStrategy(strategy, prefix);
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw toFailure('InvalidInput', { what: 'Context values', problem: 'use an object of keys and values' });
  }
  const changes = new Map<string, Json | undefined>();
  const skipped: string[] = [];
  const named = Object.entries(values).map(
    ([key, value]) => [strategy === 'prefixed' ? prefix + key : key, value] as const,
  );
  for (const [key, value] of named) {
    const previous = present.get(key);
    const stored = storable(key, value, previous, isolate);
    if (stored === previous) continue;
    if (isProtected(key) || (strategy === 'safe' && previous !== undefined)) skipped.push(key);
    else changes.set(key, stored);
  }
  if (strategy === 'replace') {
    const given = new Set(named.map(([key]) => key));
    for (const key of present.keys) {
      if (!given.has(key) && !isProtected(key) && !isReservedKey(key)) changes.set(key, undefined);
    }
  }
  return { changes, skipped };
}

function checkStrategy(strategy: string, prefix: string | undefined): void {
  if (!MergeStrategy.safeParse(strategy).success) {
    const problem = `there is no such strategy; use one of ${MergeStrategy.options.join(', ')}`;
    throw toFailure('InvalidInput', { what: `Merge strategy "${strategy}"`, problem });
  }
  if (strategy === 'prefixed' && (typeof prefix !== 'string' || prefix === '')) {
    const problem = `it needs a prefix; give one, or use one of ${MergeStrategy.options.slice(0, 3).join(', ')}`;
    throw toFailure('InvalidInput', { what: 'Merge strategy "prefixed"', problem });
  }
}

/**
 * The changes from `base` to `theirs`, for `ours`.
 * @param isKept whether `ours` keeps a key's value if it differs
 * @param newlyProtected keys that become protected, with the same value or another: they are changes in any case
 */
export function planJoin(
  base: JsonObject,
  ours: Values,
  theirs: JsonObject,
  isKept: (key: string) => boolean,
  newlyProtected: readonly string[] = [],
): MergePlan {
  const changes = new Map<string, Json | undefined>();
  const skipped: string[] = [];
  for (const key of new Set([...Object.keys(base), ...Object.keys(theirs)])) {
    const [old, wanted, present] = [memberOf(base, key), memberOf(theirs, key), ours.get(key)];
    const isSame = isEqual(wanted, present);
    if (!newlyProtected.includes(key) && (isSame || isEqual(wanted, old))) continue;
    if (!isSame && isKept(key)) skipped.push(key);
    else changes.set(key, wanted);
  }
  return { changes, skipped };
}
