/**
 * The session's durable context: key/value state with versions, protected keys, snapshots and a change log.
 * Deterministic and without a clock: each change is given the present time as an ISO text.
 */
import {
  type Change,
  type ContextDiff,
  type ContextPoint,
  type ContextSize,
  ContextState,
  ContextValues,
  type ContextView,
  type ContextWarning,
  type JoinReport,
  jsonProblem,
  MAX_CONTEXT_DEPTH,
  MAX_SNAPSHOTS_BYTES,
  type MergeReport,
  type RestoreReport,
  type Snapshot,
  type SnapshotInfo,
  type SnapshotRef,
  WARN_CONTEXT_BYTES,
} from '../../contracts/context.ts';
import { toFailure } from '../../contracts/errors.ts';
import type { Json, JsonObject } from '../../contracts/json.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { check } from '../input-check.ts';
import { appendChange } from './changes.ts';
import { compacted } from './compact.ts';
import { diffOf } from './diff.ts';
import { type Isolation, type MergeOptions, type MergePlan, planJoin, planMerge, storable } from './merge.ts';
import { Snapshots } from './snapshots.ts';
import { bytesOf, copyOf, isEqual } from './tree.ts';
import { Values } from './values.ts';

/** Keys that keep their first value in every session. */
const ALWAYS_PROTECTED: readonly string[] = ['session_id', 'run_id', 'initial_task', 'workflow_id'];
/** Bounds of a whole state as JSON that comes from outside: a patch takes up to three levels for one of a value. */
const MAX_STATE = { maxDepth: 4 * MAX_CONTEXT_DEPTH, maxSize: 2 * 1024 * 1024 };
/** Keys that a warning of the size names. */
const MAX_NAMED = 3;

interface SetOptions extends Isolation {
  /** Makes the key keep this value. Default false. */
  readonly protect?: boolean;
  /** Keeps it apart, for this run only: see {@link DurableContext}. Default false. */
  readonly ephemeral?: boolean;
  /** Cuts long texts in a value of over 16 KiB, for values that the program itself keeps. Default false. */
  readonly compact?: boolean;
}

/**
 * Guards the invariants of a {@link ContextState}: values are isolated from their holders, every change adds one
 * to the version and an entry to the log, an equal value is no change, protected keys keep their value, and
 * everything is bounded. An operation that throws has changed nothing.
 *
 * Ephemeral values live beside the persistent ones and only as long as the run: they have no version, no entry
 * in the log, and are in no snapshot and no export. A persistent value hides an ephemeral one of the same key.
 */
export class DurableContext {
  readonly #warnAtBytes: number;
  #version: number;
  #values: Values;
  #ephemeral = new Values();
  readonly #protected: Set<string>;
  #snapshots: Snapshots;
  readonly #changes: Change[];
  #warnings: ContextWarning[] = [];
  /** In a working copy: what it was made from. */
  #base: { values: JsonObject; ephemeral: JsonObject; protected: ReadonlySet<string> } | undefined;

  /** @param state as {@link toJSON} gave it, or a part of it; default empty */
  constructor(state: Partial<ContextState> = {}, { warnAtBytes = WARN_CONTEXT_BYTES }: { warnAtBytes?: number } = {}) {
    const { version = 0, values = {}, protectedKeys = [], snapshots = [], snapshotCount = 0, changes = [] } = state;
    this.#warnAtBytes = warnAtBytes;
    this.#version = version;
    this.#values = new Values(copyOf(values));
    this.#protected = new Set(protectedKeys);
    this.#snapshots = Snapshots.read({ snapshots, snapshotCount }, this.#values.share());
    this.#changes = changes.map((change) => copyOf(change));
  }

  /**
   * A context from JSON that may be anybody's, such as an exported file.
   * @throws InvalidInput that names what is wrong
   */
  static fromJSON(json: unknown): DurableContext {
    const what = 'Context';
    const refuse = (problem: string | undefined): void => {
      if (problem !== undefined) throw toFailure('InvalidInput', { what, problem });
    };
    refuse(jsonProblem(json, MAX_STATE));
    const context = new DurableContext(check(ContextState, json, what));
    for (const values of [context.#values.share(), ...context.#snapshots.all.map((snapshot) => snapshot.values)]) {
      check(ContextValues, values, what);
      refuse(bytesOf(values) > MAX_CONTEXT_BYTES ? `it is larger than ${MAX_CONTEXT_BYTES} bytes` : undefined);
    }
    return context;
  }

  /** Goes up by one with every change, from 0. */
  get version(): number {
    return this.#version;
  }

  /** Number of keys. */
  get size(): number {
    return this.keys().length;
  }

  /** A copy of the value, or undefined. */
  get(key: string, { isolate = true }: Isolation = {}): Json | undefined {
    const value = this.#values.has(key) ? this.#values.get(key) : this.#ephemeral.get(key);
    return value === undefined || !isolate ? value : copyOf(value);
  }

  has(key: string): boolean {
    return this.#values.has(key) || this.#ephemeral.has(key);
  }

  keys(): string[] {
    return [...new Set([...this.#values.keys, ...this.#ephemeral.keys])];
  }

  entries(options: Isolation = {}): [string, Json][] {
    return Object.entries(this.pick(this.keys(), options));
  }

  /** The values of those of these keys that are set. */
  pick(keys: readonly string[], options: Isolation = {}): Record<string, Json> {
    return Object.fromEntries(
      keys.flatMap((key) => {
        const value = this.get(key, options);
        return value === undefined ? [] : [[key, value]];
      }),
    );
  }

  isProtected(key: string): boolean {
    return ALWAYS_PROTECTED.includes(key) || this.#protected.has(key);
  }

  /**
   * Sets a value.
   * @returns whether anything changed
   * @throws ProtectedKey if a protected key holds another value, or would get an ephemeral one
   * @throws InvalidInput if the key or value is not allowed, or all values together would pass 256 KiB
   */
  set(key: string, value: Json, now: string, options: SetOptions = {}): boolean {
    const { protect = false, ephemeral = false, compact = false, isolate = true } = options;
    const previous = this.#values.get(key);
    const stored = storable(key, compact ? compacted(value) : value, previous, isolate);
    const isSame = stored === previous;
    if (!isSame && (previous !== undefined || ephemeral) && this.isProtected(key))
      throw toFailure('ProtectedKey', { key });
    if (ephemeral) return !(isSame && this.isProtected(key)) && this.#setEphemeral(key, stored, protect);
    const newlyProtected = protect && !this.isProtected(key);
    if (isSame && !newlyProtected) return false;
    this.#commit(new Map([[key, stored]]), { op: 'set', timestamp: now });
    if (newlyProtected) this.#protected.add(key);
    return true;
  }

  /**
   * Sets several values as one change; protected keys are skipped.
   * @throws InvalidInput as {@link set} does; then none is set
   */
  update(values: ContextValues, now: string, options: Isolation = {}): MergeReport {
    const plan = planMerge(values, this.#values, (key) => this.isProtected(key), { ...options, strategy: 'update' });
    return this.#carryOut(plan, { op: 'update', timestamp: now });
  }

  /**
   * Merges values in as one change; protected keys are skipped.
   * @throws InvalidInput as {@link set} does, for an unknown strategy, and for a prefix that is missing
   */
  merge(values: ContextValues, now: string, options: MergeOptions = {}): MergeReport {
    const plan = planMerge(values, this.#values, (key) => this.isProtected(key), options);
    return this.#carryOut(plan, { op: 'merge', timestamp: now, strategy: options.strategy ?? 'safe' });
  }

  /**
   * Takes a key away, with its ephemeral value.
   * @returns whether there was anything
   * @throws ProtectedKey for a protected key, set or not
   */
  delete(key: string, now: string): boolean {
    if (this.isProtected(key)) throw toFailure('ProtectedKey', { key });
    const wasThere = this.has(key);
    if (this.#ephemeral.has(key)) this.#ephemeral.apply(new Map([[key, undefined]]));
    if (this.#values.has(key)) this.#commit(new Map([[key, undefined]]), { op: 'delete', timestamp: now });
    return wasThere;
  }

  /** Forgets all ephemeral values. @returns how many there were */
  clearEphemeral(): number {
    const { length } = this.#ephemeral.keys;
    this.#ephemeral = new Values();
    return length;
  }

  // Working copies

  /**
   * A working copy: what is done to it is done to nothing else until {@link join} brings its values back.
   * To drop them, forget the copy. It shares all values with this context, and starts with its snapshots.
   */
  branch(): DurableContext {
    const branch = new DurableContext({ version: this.#version }, { warnAtBytes: this.#warnAtBytes });
    branch.#values = this.#values.clone();
    branch.#ephemeral = this.#ephemeral.clone();
    branch.#protect(this.#protected);
    branch.#snapshots = this.#snapshots.clone();
    branch.#changes.push(...this.#changes);
    branch.#rebase();
    return branch;
  }

  /**
   * Brings back what has changed in a working copy since it was made, or since it was joined last, as one change.
   * Its version, snapshots and log stay behind. Keys that are protected here keep their value.
   * @throws InvalidInput if all values together would pass 256 KiB
   */
  join(branch: DurableContext, now: string): JoinReport {
    const base = branch.#base;
    if (!base) throw new TypeError('join takes what branch() gave');
    const isProtected = (key: string): boolean => this.isProtected(key);
    const theirs = branch.#values.share();
    const protectedKeys = [...branch.#protected].filter((key) => !base.protected.has(key) && !isProtected(key));
    const plan = planJoin(base.values, this.#values, theirs, isProtected, protectedKeys);
    const ephemeral = planJoin(base.ephemeral, this.#ephemeral, branch.#ephemeral.share(), isProtected).changes;
    this.#ephemeral.check(ephemeral);
    const report = this.#carryOut(plan, { op: 'merge', timestamp: now, strategy: 'branch' });
    this.#ephemeral.apply(ephemeral);
    this.#protect(protectedKeys);
    branch.#rebase();
    return { ...report, conflicts: plan.conflicts };
  }

  // Snapshots

  /** Without their data, oldest first. */
  get snapshots(): SnapshotInfo[] {
    return this.#snapshots.infos.map((info) => copyOf(info));
  }

  /** @throws SnapshotNotFound */
  snapshot(wanted: SnapshotRef, { isolate = true }: Isolation = {}): Snapshot {
    const { info, values } = this.#snapshots.find(wanted);
    return { ...copyOf(info), data: isolate ? copyOf(values) : values };
  }

  /**
   * Takes a snapshot of the persistent values. The version stays.
   * @throws InvalidInput for a reason of over 200 units or metadata of over 4 KiB
   */
  checkpoint(reason: string, metadata: ContextValues, now: string): SnapshotInfo {
    const head = { version: this.#version, timestamp: now, reason, metadata };
    const { info, dropped } = this.#snapshots.add(head, this.#values.share());
    if (dropped.length > 0)
      this.#warnings.push({ kind: 'snapshots-dropped', ids: dropped, limitBytes: MAX_SNAPSHOTS_BYTES });
    return copyOf(info);
  }

  /**
   * Takes a snapshot in every round whose number `everyN` divides; 0 is never. Only the newest 10 of these are kept.
   * @throws InvalidInput if `everyN` is no whole number from 0; also as {@link checkpoint} does
   */
  maybeCheckpoint(round: number, everyN: number, now: string, metadata: ContextValues = {}): SnapshotInfo | undefined {
    if (!Number.isInteger(everyN) || everyN < 0) {
      throw toFailure('InvalidInput', {
        what: `Checkpoint interval ${everyN}`,
        problem: 'use a whole number of rounds, or 0',
      });
    }
    if (everyN === 0 || round <= 0 || round % everyN !== 0) return undefined;
    return this.checkpoint(`round_${round}`, { ...metadata, automatic: true, round }, now);
  }

  /**
   * Goes back to the values of a snapshot, as a new version. Protected keys keep the value they have.
   * @throws SnapshotNotFound
   * @throws InvalidInput if these values and the protected ones together would pass 256 KiB
   */
  restore(wanted: SnapshotRef, now: string): RestoreReport {
    const { info, values } = this.#snapshots.find(wanted);
    const present = this.#values.share();
    const { changes, skipped } = planJoin(present, this.#values, values, (key) => this.isProtected(key));
    const from = { id: info.id, version: info.version };
    this.#commit(changes, { op: 'restore', timestamp: now, from });
    return { from: copyOf(info), version: this.#version, changed: [...changes.keys()], skipped };
  }

  // Reading

  /** The change log, oldest first. */
  get changes(): Change[] {
    return this.#changes.map((change) => copyOf(change));
  }

  /** @throws SnapshotNotFound if a version is neither the present one nor that of a snapshot */
  diff(from: ContextPoint, to: ContextPoint = 'present'): ContextDiff {
    const [older, newer] = [this.#at(from), this.#at(to)];
    return { from: older.point, to: newer.point, ...diffOf(older.values, newer.values) };
  }

  measure(): ContextSize {
    return {
      bytes: this.#values.bytes,
      limitBytes: MAX_CONTEXT_BYTES,
      warnAtBytes: this.#warnAtBytes,
      keys: this.#values.sizes(),
      ephemeralBytes: this.#ephemeral.bytes,
      snapshotsBytes: bytesOf(this.#snapshots.carried(this.#values.share())),
    };
  }

  /** Warnings since they were taken last. They are not carried: take them after each change. */
  takeWarnings(): ContextWarning[] {
    const warnings = this.#warnings;
    this.#warnings = [];
    return warnings;
  }

  /** Version, values and protected keys: what most readers want. */
  view(): ContextView {
    return { version: this.#version, values: copyOf(this.#values.share()), protectedKeys: [...this.#protected] };
  }

  /** The whole state as plain JSON, without ephemeral values. */
  toJSON(): ContextState {
    const data = this.#values.share();
    return copyOf({
      schemaVersion: 1,
      version: this.#version,
      values: data,
      protectedKeys: [...this.#protected],
      snapshots: this.#snapshots.carried(data),
      snapshotCount: this.#snapshots.count,
      changes: this.#changes,
    });
  }

  #at(point: ContextPoint): { point: ContextDiff['from']; values: JsonObject } {
    if (point === 'present' || point === this.#version) {
      return { point: { version: this.#version, snapshot: null }, values: this.#values.share() };
    }
    const { info, values } = this.#snapshots.find(point);
    return { point: { version: info.version, snapshot: info.id }, values };
  }

  #setEphemeral(key: string, value: Json, protect: boolean): boolean {
    if (protect) {
      throw toFailure('InvalidInput', {
        what: `Context key "${key}"`,
        problem: 'an ephemeral value cannot be protected',
      });
    }
    if (isEqual(this.#ephemeral.get(key), value)) return false;
    this.#ephemeral.apply(new Map([[key, value]]));
    return true;
  }

  #carryOut({ changes, skipped }: MergePlan, change: Omit<Change, 'keys' | 'count' | 'version'>): MergeReport {
    if (changes.size > 0) this.#commit(changes, change);
    return { changed: [...changes.keys()], skipped };
  }

  /** One change of the persistent values: a new version, an entry in the log, and perhaps a warning. */
  #commit(changes: MergePlan['changes'], change: Omit<Change, 'keys' | 'count' | 'version'>): void {
    const before = this.#values.bytes;
    this.#values.apply(changes);
    this.#version += 1;
    appendChange(this.#changes, { ...change, version: this.#version, keys: [...changes.keys()] });
    const { bytes } = this.#values;
    if (before > this.#warnAtBytes || bytes <= this.#warnAtBytes) return;
    const largest = this.#values
      .sizes()
      .slice(0, MAX_NAMED)
      .map(({ key }) => key);
    this.#warnings.push({ kind: 'size', bytes, warnAtBytes: this.#warnAtBytes, largest });
  }

  #protect(keys: Iterable<string>): void {
    for (const key of keys) this.#protected.add(key);
  }

  /** Makes what holds now the point from which changes are brought back. */
  #rebase(): void {
    const protectedKeys = new Set(this.#protected);
    this.#base = { values: this.#values.share(), ephemeral: this.#ephemeral.share(), protected: protectedKeys };
  }
}
