/** The session's key/value state: what it may hold, what it carries from run to run, and what it shows of itself. */
import { z } from 'zod';
import { Patch } from './context-patch.ts';
import type { Json } from './json.ts';
import { MAX_CONTEXT_BYTES } from './limits.ts';
import { beginningOf } from './text-cut.ts';

/** Levels of arrays and objects inside one value. */
export const MAX_CONTEXT_DEPTH = 64;
/** Size of the context at which a warning is given. */
export const WARN_CONTEXT_BYTES = 128 * 1024;
/** Snapshots kept. Automatic ones go first, then those of phases, then those of people and programs. */
export const MAX_SNAPSHOTS = 50;
/** Further moments that one snapshot names; the oldest goes first. */
export const MAX_SNAPSHOT_MOMENTS = 20;
/** What all snapshots but the newest may take in the carried state: with large changes fewer than 50 are kept. */
export const MAX_SNAPSHOTS_BYTES = 256 * 1024;
/** Automatic snapshots kept among them. */
export const MAX_AUTOMATIC_SNAPSHOTS = 10;
/** Reason of a snapshot, in UTF-16 units. */
export const MAX_SNAPSHOT_REASON = 200;
/** Metadata of one snapshot, as JSON. */
export const MAX_SNAPSHOT_METADATA_BYTES = 4 * 1024;
/** Entries of the change log; the oldest goes first. */
export const MAX_CHANGES = 200;
/** The change log as JSON: with many long keys fewer than 200 entries are kept. */
export const MAX_CHANGES_BYTES = 64 * 1024;
/** Keys that one entry of the change log names. */
export const MAX_CHANGE_KEYS = 20;
/** Paths that a diff lists; the rest is counted. */
export const MAX_DIFF_PATHS = 500;
/** Text of one value in a diff, in UTF-16 units. */
export const MAX_EXCERPT_TEXT = 200;

/** The key under which the session keeps its records of the latest turn: `route`, `plan` and `results`. */
export const RECORDS_KEY = 'copilot';
const SESSION_KEYS = ['session_id', 'run_id', 'workflow_id', 'initial_task', 'current_task'];

/** Whether only the session itself writes this key: its ids, its task, and everything named `copilot` or `copilot.…`. */
export function isReservedKey(key: string): boolean {
  return key === RECORDS_KEY || key.startsWith(`${RECORDS_KEY}.`) || SESSION_KEYS.includes(key);
}

/** Keys of the context. */
export const ContextKey = z
  .string()
  .min(1)
  .max(200)
  .refine((key) => !['__proto__', 'constructor', 'prototype'].includes(key), { error: 'this key is reserved' });

/**
 * What keeps this from being a value of the context, in words, or undefined: it is no plain JSON (undefined, NaN,
 * functions, dates and maps are not), is nested too deeply, is larger than the whole context may be, or holds a
 * key `__proto__`. Text with half of a surrogate pair is fine: JSON writes it as an escape.
 */
export function jsonProblem(
  value: unknown,
  { maxDepth = MAX_CONTEXT_DEPTH, maxSize = MAX_CONTEXT_BYTES }: { maxDepth?: number; maxSize?: number } = {},
): string | undefined {
  // Units of text, and one for each value: never more than the size in bytes, so that nothing allowed is refused.
  let size = 0;
  const problemAt = (node: unknown, depth: number): string | undefined => {
    size += typeof node === 'string' ? node.length + 1 : 1;
    if (size > maxSize) return `it is larger than ${maxSize / 1024} KiB; keep large data in files`;
    if (node === null || typeof node === 'string' || typeof node === 'boolean') return undefined;
    if (typeof node === 'number') return Number.isFinite(node) ? undefined : `it holds ${node}, which is not JSON`;
    if (typeof node !== 'object')
      return `it holds ${typeof node === 'undefined' ? 'undefined' : `a ${typeof node}`}, which is not JSON`;
    if (depth === maxDepth) return `it is nested too deeply; ${maxDepth} levels are allowed`;
    if (!Array.isArray(node) && !isPlain(node)) return 'it holds an object of a class, which is not JSON';
    // A hole of an array is read as undefined, which `for of` gives and `some` would skip.
    for (const child of Array.isArray(node) ? node : Object.values(node)) {
      const problem = problemAt(child, depth + 1);
      if (problem !== undefined) return problem;
    }
    return Object.hasOwn(node, '__proto__') ? 'it holds the key "__proto__", which is reserved' : undefined;
  };
  return problemAt(value, 0);
}

/** Whether it is an object such as `{}` makes, in whatever realm: the sandbox has an `Object` of its own. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** One value of a context. Zod's own schema for JSON would leave a key `__proto__` out without a word. */
export const ContextValue = z.custom<Json>().superRefine((value: unknown, check) => {
  const problem = jsonProblem(value);
  if (problem !== undefined) check.addIssue(problem);
});

/** Values of a context by key; their size together is left to the context. */
export const ContextValues = z.custom<Readonly<Record<string, Json>>>().superRefine((values: unknown, check) => {
  if (typeof values !== 'object' || values === null || Array.isArray(values) || !isPlain(values)) {
    check.addIssue('use an object of keys and values');
    return;
  }
  for (const key of Object.keys(values)) {
    const message = ContextKey.safeParse(key).error?.issues[0]?.message ?? jsonProblem(Reflect.get(values, key));
    if (message !== undefined) check.addIssue({ code: 'custom', path: [beginningOf(key, 60)], message });
  }
});
export type ContextValues = z.infer<typeof ContextValues>;

/** `safe`: only new keys. `update`: new and old ones. `replace`: others go. `prefixed`: under `<prefix><key>`. */
export const MergeStrategy = z.enum(['safe', 'update', 'replace', 'prefixed']);
export type MergeStrategy = z.infer<typeof MergeStrategy>;

/** A snapshot without its data. */
export const SnapshotInfo = z.object({
  /** `snap-<number>`, from 1, never used twice in a session. */
  id: z.string(),
  /** Version of the context that it shows. Several may show the same one. */
  version: z.int(),
  timestamp: z.string(),
  reason: z.string(),
  /** `manual`: a person or program took it. `phase`: before or after a phase. `automatic`: every N rounds. */
  kind: z.enum(['manual', 'phase', 'automatic']),
  /** The session writes the number of its latest turn as `turn`; other keys are those of whoever took the snapshot. */
  metadata: z.record(z.string(), z.custom<Json>()),
  /** Later phases that began or ended with the same values. They have no snapshots of their own. */
  also: z.array(z.object({ reason: z.string(), turn: z.int() })).exactOptional(),
});
export type SnapshotInfo = z.infer<typeof SnapshotInfo>;

export interface Snapshot extends SnapshotInfo {
  readonly data: ContextValues;
}

/** Which snapshot: the latest, the one with this id, or the newest with this version. */
export type SnapshotRef = 'latest' | (string & {}) | number;

/** One side of a diff: a snapshot, or the context as it is now (`present`, or the number of its version). */
export type ContextPoint = 'present' | SnapshotRef;

/** An entry of the change log: which keys changed, and not to what; {@link ContextDiff} says that. */
export const Change = z.object({
  op: z.enum(['set', 'update', 'delete', 'merge', 'restore', 'load', 'clear']),
  /** Version after the change. */
  version: z.int(),
  timestamp: z.string(),
  /** The first {@link MAX_CHANGE_KEYS} of the keys that changed, and how many there were. */
  keys: z.array(z.string()),
  count: z.int(),
  /** Whether it changed ephemeral values, which have no version. */
  ephemeral: z.literal(true).exactOptional(),
  /** How values were merged; `branch` for the results of a working copy. */
  strategy: z.union([MergeStrategy, z.literal('branch')]).exactOptional(),
  /** The snapshot that was restored. */
  from: z.object({ id: z.string(), version: z.int() }).exactOptional(),
});
export type Change = z.infer<typeof Change>;

/**
 * The whole context as plain JSON: what a session carries, and what is exported. The values stand as they are;
 * each snapshot is a patch of the next newer one, and the newest a patch of the values, since JSON has no
 * references by which they could share what did not change.
 */
export const ContextState = z.object({
  schemaVersion: z.literal(1),
  version: z.int().min(0),
  values: ContextValues,
  /** Keys protected in this session, beyond the ones that always are. */
  protectedKeys: z.array(z.string()),
  /** Keys whose value an agent wrote, and which agents may change again. All others belong to people and programs. */
  agentKeys: z.array(z.string()),
  /** Oldest first. */
  snapshots: z.array(SnapshotInfo.extend({ patch: Patch })).max(MAX_SNAPSHOTS),
  /** Snapshots ever taken; names the next. */
  snapshotCount: z.int().min(0),
  /** Oldest first. */
  changes: z.array(Change).max(MAX_CHANGES),
});
export type ContextState = z.infer<typeof ContextState>;

/** The context as readers see it. */
export interface ContextView {
  readonly version: number;
  /** Ephemeral values too. */
  readonly values: ContextValues;
  readonly protectedKeys: readonly string[];
  /** Keys whose value in `values` is ephemeral. */
  readonly ephemeralKeys: readonly string[];
}

/** Sizes in bytes, as JSON in UTF-8. */
export interface ContextSize {
  /** All persistent keys and values together. */
  readonly bytes: number;
  readonly limitBytes: number;
  readonly warnAtBytes: number;
  /** Each persistent key with its value, the largest first. */
  readonly keys: readonly { readonly key: string; readonly bytes: number }[];
  readonly ephemeralBytes: number;
  /** What the snapshots add to the carried state. */
  readonly snapshotsBytes: number;
}

export type ContextWarning =
  /** The context has grown past the threshold; given once, and again after it was smaller. */
  | { readonly kind: 'size'; readonly bytes: number; readonly warnAtBytes: number; readonly largest: readonly string[] }
  /** Snapshots of people or programs were dropped: no others were left to drop. */
  | { readonly kind: 'snapshots-dropped'; readonly ids: readonly string[] };

/** JSON text of a value, cut after {@link MAX_EXCERPT_TEXT} units, and the size of the whole in bytes. */
export interface Excerpt {
  readonly json: string;
  readonly bytes: number;
}

/** Paths are JSON pointers (RFC 6901), such as `/plan/steps/0/task`. Items of arrays are compared by position. */
export interface ContextDiff {
  readonly from: { readonly version: number; readonly snapshot: string | null };
  readonly to: { readonly version: number; readonly snapshot: string | null };
  readonly added: readonly { readonly path: string; readonly new: Excerpt }[];
  readonly removed: readonly { readonly path: string; readonly old: Excerpt }[];
  readonly changed: readonly { readonly path: string; readonly old: Excerpt; readonly new: Excerpt }[];
  /** Paths beyond the {@link MAX_DIFF_PATHS} that are listed. */
  readonly more: number;
}

/** What a change of several keys did. */
export interface MergeReport {
  readonly changed: readonly string[];
  /** Keys that kept another value than the one given: protected ones, and with `safe` the ones that exist. */
  readonly skipped: readonly string[];
}

export interface RestoreReport {
  readonly from: SnapshotInfo;
  /** Version after it. */
  readonly version: number;
  readonly changed: readonly string[];
  /** Protected keys that did not go back. */
  readonly skipped: readonly string[];
}
