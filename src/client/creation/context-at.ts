/** The context as it was at one of its snapshots, for forks. */
import type { ContextState } from '../../contracts/context.ts';
import { applyPatch } from '../../contracts/context-patch.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { isJsonObject, type Json, type JsonObject, memberOf } from '../../contracts/json.ts';

/**
 * The context with the values, version, snapshots, changes and protected keys that it had at the snapshot.
 * @param id of a snapshot of this context
 * @throws CopilotError `InvalidInput` if the snapshot does not fit the context
 */
export function contextAt(context: ContextState, id: string): ContextState {
  const older = context.snapshots.slice(
    0,
    context.snapshots.findIndex((snapshot) => snapshot.id === id),
  );
  const [wanted, ...newer] = context.snapshots.slice(older.length);
  if (!wanted) throw new TypeError(`contextAt without snapshot ${id}`); // callers have found it
  const values = [wanted, ...newer].reduceRight<Json>(
    (next, { patch }) => applyPatch(patch, next, misfit),
    context.values,
  );
  if (!isJsonObject(values)) return misfit();
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

/** A protected key does not change any more, so its last change is the one that protected it. */
function wasProtected(
  { changes, values }: ContextState,
  key: string,
  then: { readonly version: number; readonly values: JsonObject },
): boolean {
  const last = changes.findLast(({ keys }) => keys.includes(key));
  if (last) return last.version <= then.version;
  // The change is older than the log. If the value differs, the key was protected after the snapshot.
  return JSON.stringify(memberOf(then.values, key)) === JSON.stringify(memberOf(values, key));
}

function misfit(): never {
  const problem = 'it does not fit its context; fork at a turn or at another snapshot';
  throw new CopilotError('InvalidInput', { what: 'A snapshot of the context', problem });
}
