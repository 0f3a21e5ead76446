/** What a context does, in the simplest words: the tests of `DurableContext` run beside it. */
import { isDeepStrictEqual } from 'node:util';
import type { MergeStrategy } from '../../src/contracts/context.ts';
import type { Json } from '../../src/contracts/json.ts';

export type Values = Record<string, Json>;
export type Change =
  | { op: 'set'; key: string; value: Json; protect: boolean; ephemeral: boolean; isolate: boolean }
  | { op: 'update'; values: Values }
  | { op: 'merge'; values: Values; strategy: MergeStrategy; prefix: string }
  | { op: 'delete'; key: string };
const ALWAYS = ['session_id', 'run_id', 'initial_task', 'workflow_id'];

/** Every value is copied whenever it is touched. */
export class Model {
  version = 0;
  values: Values = {};
  ephemeral: Values = {};
  protectedKeys: string[] = [];
  snapshots: { id: string; version: number; reason: string; automatic: boolean; data: Values }[] = [];
  log: object[] = [];
  count = 0;

  isProtected(key: string): boolean {
    return ALWAYS.includes(key) || this.protectedKeys.includes(key);
  }

  commit(changes: Values, gone: string[], timestamp: string, entry: object): void {
    this.version += 1;
    this.values = structuredClone({ ...this.values, ...changes });
    for (const key of gone) delete this.values[key];
    const keys = [...Object.keys(changes), ...gone].sort();
    this.log = [...this.log, { version: this.version, timestamp, keys, ...entry }].slice(-200);
  }

  /** @returns the type of the error where it fails */
  change(change: Change, now: string): string | undefined {
    switch (change.op) {
      case 'set': {
        const { key, value, protect, ephemeral } = change;
        const isSame = isDeepStrictEqual(this.values[key], value);
        const isHeld = this.isProtected(key) && (Object.hasOwn(this.values, key) || ephemeral);
        if (isHeld) {
          if (!isSame) return 'ProtectedKey';
          if (ephemeral) return undefined;
        }
        if (ephemeral && protect) return 'InvalidInput';
        if (ephemeral) this.ephemeral[key] = structuredClone(value);
        else if (!isSame || (protect && !this.isProtected(key))) {
          this.commit({ [key]: value }, [], now, { op: 'set' });
          if (protect && !this.isProtected(key)) this.protectedKeys.push(key);
        }
        return undefined;
      }
      case 'update':
        this.merge(change.values, 'update', '', now, { op: 'update' });
        return undefined;
      case 'merge':
        if (change.strategy === 'prefixed' && change.prefix === '') return 'InvalidInput';
        this.merge(change.values, change.strategy, change.prefix, now, { op: 'merge', strategy: change.strategy });
        return undefined;
      case 'delete':
        if (this.isProtected(change.key)) return 'ProtectedKey';
        delete this.ephemeral[change.key];
        if (Object.hasOwn(this.values, change.key)) this.commit({}, [change.key], now, { op: 'delete' });
        return undefined;
    }
  }

  merge(given: Values, strategy: MergeStrategy, prefix: string, now: string, entry: object): void {
    const named = Object.fromEntries(
      Object.entries(given).map(([k, v]) => [strategy === 'prefixed' ? prefix + k : k, v]),
    );
    const wanted = Object.entries(named).filter(
      ([key, value]) =>
        !isDeepStrictEqual(this.values[key], value) &&
        !this.isProtected(key) &&
        !(strategy === 'safe' && Object.hasOwn(this.values, key)),
    );
    const gone = Object.keys(this.values).filter((key) => !Object.hasOwn(named, key) && !this.isProtected(key));
    const dropped = strategy === 'replace' ? gone : [];
    if (wanted.length + dropped.length > 0) this.commit(Object.fromEntries(wanted), dropped, now, entry);
  }

  checkpoint(reason: string, automatic: boolean): void {
    this.count += 1;
    const taken = {
      id: `snap-${this.count}`,
      version: this.version,
      reason,
      automatic,
      data: structuredClone(this.values),
    };
    this.snapshots.push(taken);
    const old = this.snapshots.filter((snapshot) => snapshot.automatic).slice(0, -10);
    this.snapshots = this.snapshots.filter((snapshot) => !old.includes(snapshot)).slice(-50);
  }

  restore(wanted: string | number, now: string): string | undefined {
    const found = this.snapshots.findLast(
      ({ id, version }) => wanted === 'latest' || wanted === id || wanted === version,
    );
    if (!found) return 'SnapshotNotFound';
    const isKept = (key: string): boolean => this.isProtected(key) && Object.hasOwn(this.values, key);
    const differs = (key: string): boolean => !isKept(key) && !isDeepStrictEqual(this.values[key], found.data[key]);
    const changes = Object.fromEntries(Object.entries(found.data).filter(([key]) => differs(key)));
    const gone = Object.keys(this.values).filter((key) => !Object.hasOwn(found.data, key) && !isKept(key));
    this.commit(changes, gone, now, { op: 'restore', from: { id: found.id, version: found.version } });
    return undefined;
  }

  clone(): Model {
    const clone = new Model();
    return Object.assign(clone, JSON.parse(JSON.stringify(this)));
  }

  join(base: Model, branch: Model, now: string): void {
    const fresh = branch.protectedKeys.filter((key) => !base.protectedKeys.includes(key) && !this.isProtected(key));
    const isKept = (key: string): boolean => this.isProtected(key) && Object.hasOwn(this.values, key);
    const isWanted = (key: string): boolean =>
      !isKept(key) &&
      (fresh.includes(key) ||
        (!isDeepStrictEqual(base.values[key], branch.values[key]) &&
          !isDeepStrictEqual(this.values[key], branch.values[key])));
    const changes = Object.fromEntries(Object.entries(branch.values).filter(([key]) => isWanted(key)));
    const gone = Object.keys(base.values).filter((key) => !Object.hasOwn(branch.values, key) && isWanted(key));
    if (Object.keys(changes).length + gone.length > 0)
      this.commit(changes, gone, now, { op: 'merge', strategy: 'branch' });
    this.protectedKeys.push(...fresh);
    for (const key of new Set([...Object.keys(base.ephemeral), ...Object.keys(branch.ephemeral)])) {
      const value = branch.ephemeral[key];
      if (isDeepStrictEqual(base.ephemeral[key], value)) continue;
      if (value === undefined) delete this.ephemeral[key];
      else if (!this.isProtected(key) || !Object.hasOwn(this.ephemeral, key))
        this.ephemeral[key] = structuredClone(value);
    }
  }
}
