/** A context as it was at one of its snapshots: what a fork begins with. */
import type { ContextState, ItemPatch, Patch } from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';

type JsonObject = { readonly [key: string]: Json };

/**
 * The context as if nothing had come after the snapshot: its values and version, the snapshots, changes and
 * protected keys of that time.
 * @param id of a snapshot of this context
 * @throws CopilotError `InvalidInput` where the snapshot does not fit its context
 */
export function contextAt(context: ContextState, id: string): ContextState {
  const older = context.snapshots.slice(
    0,
    context.snapshots.findIndex((snapshot) => snapshot.id === id),
  );
  const [wanted, ...newer] = context.snapshots.slice(older.length);
  if (!wanted) throw new TypeError(`contextAt without snapshot ${id}`); // callers have found it
  const values = [wanted, ...newer].reduceRight<Json>((next, { patch }) => applyPatch(patch, next), context.values);
  if (!isObject(values)) return misfit();
  const { version } = wanted;
  return {
    ...context,
    version,
    values,
    protectedKeys: context.protectedKeys.filter((key) => wasProtected(context, key, { version, values })),
    snapshots: [...older, { ...wanted, patch: 0 }],
    snapshotCount: Number(/^snap-(\d+)$/.exec(id)?.[1] ?? older.length + 1),
    changes: context.changes.filter((change) => change.version <= version),
  };
}

/** A protected key is not changed any more: what changed it last is what protected it. */
function wasProtected(
  { changes, values }: ContextState,
  key: string,
  then: { readonly version: number; readonly values: JsonObject },
): boolean {
  const last = changes.findLast(({ keys }) => keys.includes(key));
  if (last) return last.version <= then.version;
  // Longer ago than the log goes back: where it had another value then, that was before.
  return JSON.stringify(member(then.values, key)) === JSON.stringify(member(values, key));
}

/** The value that a patch makes out of `source`; the form is that of `Patch` in the contracts. */
export function applyPatch(patch: Patch, source: Json | undefined): Json {
  if (patch === 0) return source ?? (source === null ? null : misfit());
  if ('is' in patch) return patch.is;
  if ('text' in patch) {
    const [start, between, end] = patch.text;
    if (typeof source !== 'string' || start + end > source.length) return misfit();
    return source.slice(0, start) + between + source.slice(source.length - end);
  }
  if ('items' in patch) {
    return isArray(source) ? patch.items.flatMap((item) => itemsOf(item, source)) : misfit();
  }
  return isObject(source) ? objectOf(patch, source) : misfit();
}

function itemsOf(patch: ItemPatch, source: readonly Json[]): readonly Json[] {
  if ('is' in patch) return [patch.is];
  const [from, what] = patch;
  if (typeof what !== 'number') return [applyPatch(what, source[from])];
  return from + what <= source.length ? source.slice(from, from + what) : misfit();
}

function objectOf(
  { keys = {}, without = [], put = [] }: Extract<Patch, { readonly keys?: unknown }>,
  source: JsonObject,
): Json {
  const gone = new Set([...without, ...put.map(([, key]) => key)]);
  const entries = Object.entries(source)
    .filter(([key]) => !gone.has(key))
    .map(([key, value]): [string, Json] => [key, applyPatch(member(keys, key) ?? 0, value)]);
  // In ascending order: each position is that in the result.
  for (const [index, key, patch] of put) entries.splice(index, 0, [key, applyPatch(patch, member(source, key))]);
  return Object.fromEntries(entries);
}

function member<Value>(object: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !isArray(value);
}

function misfit(): never {
  const problem = 'it does not fit its context; fork at a turn or at another snapshot';
  throw new CopilotError('InvalidInput', { what: 'A snapshot of the context', problem });
}
