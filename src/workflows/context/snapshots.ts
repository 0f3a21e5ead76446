/** The snapshots of a context: at most 50, bounded in size, as patches of each other when they are carried. */
import {
  type ContextState,
  ContextValues,
  MAX_AUTOMATIC_SNAPSHOTS,
  MAX_SNAPSHOT_METADATA_BYTES,
  MAX_SNAPSHOT_MOMENTS,
  MAX_SNAPSHOT_REASON,
  MAX_SNAPSHOTS,
  MAX_SNAPSHOTS_BYTES,
  type SnapshotInfo,
  type SnapshotRef,
} from '../../contracts/context.ts';
import { applyPatch, type Patch } from '../../contracts/context-patch.ts';
import { toFailure } from '../../contracts/errors.ts';
import { isJsonObject, type JsonObject } from '../../contracts/json.ts';
import { check } from '../input-check.ts';
import { patchOf } from './patch.ts';
import { bytesOf, copyOf } from './tree.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

/** Ids that an error message names. */
const MAX_NAMED = 10;

const DROPPED_FIRST: readonly SnapshotInfo['kind'][] = ['automatic', 'phase', 'manual'];

type Found = { readonly info: SnapshotInfo; readonly values: JsonObject };

interface Entry {
  readonly info: SnapshotInfo;
  /** How to make it out of the next newer one; the newest has none, since the values it refers to still change. */
  readonly patch: Patch | undefined;
  /** Made when they are first used: a cold worker should not make 50 snapshots that nobody asks for. */
  values: JsonObject | undefined;
}

/** Guards the bounds; shares the values of each snapshot with the context and with its neighbours. */
export class Snapshots {
  #entries: Entry[] = [];
  #count = 0;

  /** @throws InvalidInput if the newest does not fit the values; the others throw when they are first wanted */
  static read(
    { snapshots, snapshotCount }: Pick<ContextState, 'snapshots' | 'snapshotCount'>,
    present: JsonObject,
  ): Snapshots {
    const list = new Snapshots();
    list.#entries = copyOf(snapshots).map(({ patch, ...info }) => ({ info, patch, values: undefined }));
    list.#count = Math.max(snapshotCount, snapshots.length);
    const newest = list.#entries.pop();
    if (newest) list.#entries.push({ ...newest, patch: undefined, values: made(newest, present) });
    return list;
  }

  get count(): number {
    return this.#count;
  }

  /** Oldest first. */
  get infos(): SnapshotInfo[] {
    return this.#entries.map(({ info }) => info);
  }

  /** Oldest first. @throws InvalidInput if a patch does not fit */
  get all(): Found[] {
    return this.#entries.map(({ info }, index) => ({ info, values: this.#valuesAt(index) }));
  }

  /** A list that goes its own way from here. */
  clone(): Snapshots {
    const clone = new Snapshots();
    clone.#entries = [...this.#entries];
    clone.#count = this.#count;
    return clone;
  }

  /** @throws SnapshotNotFound with the ones that there are */
  find(wanted: SnapshotRef): Found {
    const index = this.#entries.findLastIndex(
      ({ info }) => wanted === 'latest' || info[typeof wanted === 'number' ? 'version' : 'id'] === wanted,
    );
    const entry = this.#entries[index];
    if (entry) return { info: entry.info, values: this.#valuesAt(index) };
    const names = this.infos.map(({ id, version }) => `${id} (version ${version})`);
    throw toFailure('SnapshotNotFound', {
      wanted: typeof wanted === 'number' ? `of version ${wanted}` : `"${beginningOf(wanted, 60)}"`,
      known:
        (names.length > MAX_NAMED ? `${names.length - MAX_NAMED} older ones, ` : '') +
        (names.slice(-MAX_NAMED).join(', ') || 'none yet'),
    });
  }

  /**
   * Adds the newest, and drops others if there are too many.
   * @returns what was added, and the ids of those of people and programs that were dropped
   * @throws InvalidInput for a reason of over 200 units or metadata of over 4 KiB
   */
  add(head: Omit<SnapshotInfo, 'id'>, values: JsonObject): { info: SnapshotInfo; dropped: string[] } {
    checkHead(head);
    const entry: Entry = { info: { id: `snap-${this.#count + 1}`, ...copyOf(head) }, patch: undefined, values };
    this.#count += 1;
    this.#entries.push(entry);
    this.#link(this.#entries.length - 2);
    return { info: entry.info, dropped: this.#prune() };
  }

  /** Adds a moment to a snapshot that shows this version and is not dropped first. @returns whether there is one */
  addMoment(version: number, moment: NonNullable<SnapshotInfo['also']>[number]): boolean {
    const index = this.#entries.findLastIndex(({ info }) => info.version === version && info.kind !== 'automatic');
    const entry = this.#entries[index];
    if (!entry) return false;
    const also = [...(entry.info.also ?? []), moment].slice(-MAX_SNAPSHOT_MOMENTS);
    this.#entries[index] = { ...entry, info: { ...entry.info, also } };
    return true;
  }

  /** The saved ones, and those of this list that were taken later, as far as there is room beside the saved ones. */
  with(saved: Snapshots): { snapshots: Snapshots; dropped: string[] } {
    const later = this.all.filter(({ info }) => numberOf(info) > saved.#count);
    const snapshots = new Snapshots();
    snapshots.#count = Math.max(this.#count, saved.#count);
    for (const { info, values } of [...saved.all, ...later])
      snapshots.#entries.push({ info, patch: undefined, values });
    for (const index of snapshots.#entries.keys()) snapshots.#link(index);
    return { snapshots, dropped: snapshots.#prune(saved.#count) };
  }

  /** As they are carried: each a patch of the next newer one, the newest a patch of `present`. */
  carried(present: JsonObject): ContextState['snapshots'] {
    return this.#entries.map(({ info, patch }, index) => ({
      ...info,
      patch: patch ?? patchOf(this.#valuesAt(index), present),
    }));
  }

  /** @param last number of the last snapshot that goes only after all later ones */
  #prune(last = 0): string[] {
    const dropped: string[] = [];
    const drop = (entry: Entry): void => {
      this.#drop(entry);
      if (entry.info.kind === 'manual') dropped.push(entry.info.id);
    };
    const automatic = this.#entries.filter(({ info }) => info.kind === 'automatic');
    for (const old of automatic.slice(0, Math.max(0, automatic.length - MAX_AUTOMATIC_SNAPSHOTS))) drop(old);
    for (;;) {
      const isFull = this.#entries.length > MAX_SNAPSHOTS || this.#bytes() > MAX_SNAPSHOTS_BYTES;
      const victim = isFull ? (this.#leastWanted(last) ?? this.#leastWanted(0)) : undefined;
      if (!victim) return dropped;
      drop(victim);
    }
  }

  /** The oldest of the kind that goes first, among those after this number. The newest of all stays. */
  #leastWanted(after: number): Entry | undefined {
    const older = this.#entries.slice(0, -1).filter(({ info }) => numberOf(info) > after);
    return DROPPED_FIRST.map((kind) => older.find(({ info }) => info.kind === kind)).find(
      (entry) => entry !== undefined,
    );
  }

  #drop(entry: Entry): void {
    const index = this.#entries.indexOf(entry);
    if (index > 0) this.#valuesAt(index - 1);
    this.#entries.splice(index, 1);
    this.#link(index - 1);
  }

  /** Makes a new patch for an entry that has another next newer one now. */
  #link(index: number): void {
    const entry = this.#entries[index];
    if (!entry) return;
    const isNewest = index === this.#entries.length - 1;
    const values = this.#valuesAt(index);
    this.#entries[index] = {
      ...entry,
      values,
      patch: isNewest ? undefined : patchOf(values, this.#valuesAt(index + 1)),
    };
  }

  /** The values at this place. Makes those from the newest down to it that are not there yet. */
  #valuesAt(index: number): JsonObject {
    const entry = this.#entries[index];
    if (!entry) throw new RangeError(`no snapshot at ${index}`); // the newest always has its values
    entry.values ??= made(entry, this.#valuesAt(index + 1));
    return entry.values;
  }

  #bytes(): number {
    return this.#entries.reduce((sum, { info, patch }) => sum + bytesOf(info) + bytesOf(patch ?? 0), 0);
  }
}

/** @throws InvalidInput if the patch does not fit */
function made({ info, patch }: Entry, newer: JsonObject): JsonObject {
  const refuse = (problem: string): never => {
    throw toFailure('InvalidInput', { what: `Snapshot ${info.id} of the context`, problem });
  };
  const values = applyPatch(patch ?? 0, newer, refuse);
  return isJsonObject(values) ? values : refuse('it is not an object');
}

function checkHead({ reason, metadata }: Omit<SnapshotInfo, 'id'>): void {
  const what = 'Snapshot of the context';
  if (reason.length > MAX_SNAPSHOT_REASON) {
    throw toFailure('InvalidInput', { what, problem: `its reason is longer than ${MAX_SNAPSHOT_REASON} characters` });
  }
  // A copy, since the holder of the metadata may change it after it was measured.
  if (bytesOf(copyOf(check(ContextValues, metadata, `${what}: metadata`))) > MAX_SNAPSHOT_METADATA_BYTES) {
    throw toFailure('InvalidInput', {
      what,
      problem: `its metadata is larger than ${MAX_SNAPSHOT_METADATA_BYTES} bytes`,
    });
  }
}

function numberOf({ id }: SnapshotInfo): number {
  return Number(/^snap-(\d+)$/.exec(id)?.[1] ?? 0);
}
