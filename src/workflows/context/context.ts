/**
 * The session's durable context: key/value state with versions, protected keys, snapshots and a change log.
 * Deterministic and without a clock: each change is given the present time as an ISO text.
 */
import {
  type ContextDiff,
  type ContextPoint,
  type ContextSize,
  type ContextState,
  type ContextValues,
  type ContextView,
  isReservedKey,
  type MergeReport,
  type RestoreReport,
  type Snapshot,
  type SnapshotInfo,
  type SnapshotRef,
} from '../../contracts/context.ts';
import { toFailure } from '../../contracts/errors.ts';
import type { JsonObject } from '../../contracts/json.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { checkState, checkStateValues } from './checked-state.ts';
import { diffOf } from './diff.ts';
import { Snapshots } from './snapshots.ts';
import { bytesOf, copyOf } from './tree.ts';
import type { KeyRules } from './values/key-rules.ts';
import { type Beside, KeyedValues } from './values/keyed-values.ts';
import { type Isolation, type MergePlan, planJoin } from './values/merge.ts';

/**
 * Guards the invariants of a {@link ContextState}: values are isolated from their holders, every change adds one
 * to the version and an entry to the log, an equal value is no change, protected keys keep their value, and
 * everything is bounded. An operation that throws has changed nothing.
 *
 * Ephemeral values live beside the persistent ones: they have no version, and are in no snapshot and no export. A
 * persistent value hides an ephemeral one of the same key.
 * A working copy never takes the place of a value that belongs to a person or program: see {@link KeyRules}.
 */
export class DurableContext extends KeyedValues {
  #snapshots: Snapshots;
  /** In a working copy: what it was made from. */
  #base: { values: JsonObject; rules: KeyRules } | undefined;

  /** @param state as {@link toJSON} gave it, or a part of it; default empty */
  constructor(state: Partial<ContextState> = {}, beside: Beside = {}) {
    super(state, beside);
    const { snapshots = [], snapshotCount = 0 } = state;
    this.#snapshots = Snapshots.read({ snapshots, snapshotCount }, this.values.share());
  }

  /**
   * A context from JSON that may be anybody's, such as an exported file.
   * @throws InvalidInput that names what is wrong
   */
  static fromJSON(json: unknown): DurableContext {
    const context = new DurableContext(checkState(json));
    for (const values of [context.values.share(), ...context.#snapshots.all.map((snapshot) => snapshot.values)]) {
      checkStateValues(values);
    }
    return context;
  }

  // Working copies

  /**
   * A working copy: what is done to it is done to nothing else until {@link join} brings its values back.
   * To drop them, forget the copy. It shares all values with this context, and starts with its snapshots.
   */
  branch(): DurableContext {
    const branch = new DurableContext({ version: this.currentVersion }, { warnAtBytes: this.warnAtBytes });
    branch.values = this.values.clone();
    branch.ephemeralValues = this.ephemeralValues.clone();
    branch.rules = this.rules.clone();
    branch.#snapshots = this.#snapshots.clone();
    branch.log.push(...this.log);
    branch.#rebase();
    return branch;
  }

  /**
   * Brings back what has changed in a working copy since it was made, or since it was joined last, as one change.
   * Its version, snapshots, log and ephemeral values stay behind. A key that is held here keeps its value.
   * @throws InvalidInput if all values together would pass 256 KiB
   */
  join(branch: DurableContext, now: string): MergeReport {
    const base = branch.#base;
    if (!base) throw new TypeError('join takes what branch() gave');
    const theirs = branch.values.share();
    const isFresh = (key: string): boolean => !base.rules.isProtected(key) && !this.isProtected(key);
    const fresh = branch.rules.protectedKeys.filter(isFresh);
    const plan = planJoin(base.values, this.values, theirs, (key) => this.isHeld(key), fresh);
    const report = this.carryOut(plan, { op: 'merge', timestamp: now, strategy: 'branch' });
    for (const key of fresh) if (!plan.skipped.includes(key)) this.rules.protect(key);
    branch.#rebase();
    return report;
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
  checkpoint(
    reason: string,
    metadata: ContextValues,
    now: string,
    kind: SnapshotInfo['kind'] = 'manual',
  ): SnapshotInfo {
    const head = { version: this.currentVersion, timestamp: now, reason, kind, metadata };
    const { info, dropped } = this.#snapshots.add(head, this.values.share());
    this.#warnOfDropped(dropped);
    return copyOf(info);
  }

  /**
   * Notes that a phase of a turn begins or ends with the present values: a snapshot, or, if the latest snapshot has
   * these values, a further moment of that one.
   */
  markPhase(reason: string, metadata: ContextValues & { readonly turn: number }, now: string): void {
    const isKept = this.#snapshots.addMoment(this.currentVersion, { reason, turn: metadata.turn });
    if (!isKept) this.checkpoint(reason, metadata, now, 'phase');
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
    return this.checkpoint(`round_${round}`, { ...metadata, automatic: true, round }, now, 'automatic');
  }

  /**
   * Goes back to the values of a snapshot, as a new version. Protected keys keep the value they have.
   * @throws SnapshotNotFound
   * @throws InvalidInput if these values and the protected ones together would pass 256 KiB
   */
  restore(wanted: SnapshotRef, now: string): RestoreReport {
    const { info, values } = this.#snapshots.find(wanted);
    const { changes, skipped } = this.#planGoingTo(values, () => false);
    const from = { id: info.id, version: info.version };
    this.commit(changes, { op: 'restore', timestamp: now, from });
    return { from: copyOf(info), version: this.currentVersion, changed: [...changes.keys()], skipped };
  }

  /**
   * Goes to the values of a saved context, as one new version. Protected keys and those of the session itself keep the
   * value they have. Snapshots and changes of the saved context come back, beside later ones that are there.
   * @throws InvalidInput if the values together would pass 256 KiB
   */
  load(saved: DurableContext, now: string): MergeReport {
    const plan = this.#planGoingTo(saved.values.share(), isReservedKey);
    this.values.check(plan.changes);
    this.currentVersion = Math.max(this.currentVersion, saved.currentVersion);
    const { snapshots, dropped } = this.#snapshots.with(saved.#snapshots);
    this.#snapshots = snapshots;
    this.#warnOfDropped(dropped);
    const later = this.log.filter(({ version }) => version > saved.currentVersion);
    this.log.splice(0, this.log.length, ...saved.changes, ...later);
    this.commit(plan.changes, { op: 'load', timestamp: now });
    for (const key of saved.rules.agentKeys) if (plan.changes.has(key)) this.rules.give(key, 'agents');
    for (const key of saved.rules.protectedKeys) this.rules.protect(key);
    return { changed: [...plan.changes.keys()], skipped: plan.skipped };
  }

  // Reading

  /** @throws SnapshotNotFound if a version is neither the present one nor that of a snapshot */
  diff(from: ContextPoint, to: ContextPoint = 'present'): ContextDiff {
    const [older, newer] = [this.#at(from), this.#at(to)];
    return { from: older.point, to: newer.point, ...diffOf(older.values, newer.values) };
  }

  measure(): ContextSize {
    return {
      bytes: this.values.bytes,
      limitBytes: MAX_CONTEXT_BYTES,
      warnAtBytes: this.warnAtBytes,
      keys: this.values.sizes(),
      ephemeralBytes: this.ephemeralValues.bytes,
      snapshotsBytes: bytesOf(this.#snapshots.carried(this.values.share())),
    };
  }

  /** What most readers want. */
  view(): ContextView {
    return {
      version: this.currentVersion,
      values: copyOf({ ...this.ephemeralValues.share(), ...this.values.share() }),
      protectedKeys: this.rules.protectedKeys,
      ephemeralKeys: this.ephemeralValues.keys.filter((key) => !this.values.has(key)),
    };
  }

  get persistent(): JsonObject {
    return copyOf(this.values.share());
  }

  get ephemeral(): JsonObject {
    return copyOf(this.ephemeralValues.share());
  }

  /** The whole state as plain JSON, without ephemeral values. */
  toJSON(): ContextState {
    const data = this.values.share();
    return copyOf({
      schemaVersion: 1,
      version: this.currentVersion,
      values: data,
      protectedKeys: this.rules.protectedKeys,
      agentKeys: this.rules.agentKeys,
      snapshots: this.#snapshots.carried(data),
      snapshotCount: this.#snapshots.count,
      changes: this.log,
    });
  }

  #at(point: ContextPoint): { point: ContextDiff['from']; values: JsonObject } {
    if (point === 'present' || point === this.currentVersion) {
      return { point: { version: this.currentVersion, snapshot: null }, values: this.values.share() };
    }
    const { info, values } = this.#snapshots.find(point);
    return { point: { version: info.version, snapshot: info.id }, values };
  }

  #planGoingTo(values: JsonObject, isLeft: (key: string) => boolean): MergePlan {
    const isKept = (key: string): boolean => isLeft(key) || (this.values.has(key) && this.isProtected(key));
    return planJoin(this.values.share(), this.values, values, isKept);
  }

  #warnOfDropped(ids: readonly string[]): void {
    if (ids.length > 0) this.warnings.push({ kind: 'snapshots-dropped', ids });
  }

  /** Makes what holds now the point from which changes are brought back. */
  #rebase(): void {
    this.#base = { values: this.values.share(), rules: this.rules.clone() };
  }
}
