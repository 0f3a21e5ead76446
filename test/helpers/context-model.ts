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
const RESERVED = [...ALWAYS, 'current_task', 'copilot'];

/** Every value is copied whenever it is touched. */
export class Model {
  version = 0;
  values: Values = {};
  ephemeral: Values = {};
  protectedKeys: string[] = [];
  /** Keys whose value a working copy brought back. */
  agentKeys: string[] = [];
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
    this.write({ timestamp, keys, ...entry });
    const touched = [...Object.keys(changes), ...gone];
    const isRestored = 'op' in entry && entry.op === 'restore';
    this.agentKeys = this.agentKeys.filter((key) => !(isRestored ? gone : touched).includes(key));
  }

  write(entry: object): void {
    this.log = [...this.log, { version: this.version, ...entry }].slice(-200);
  }

  /** Whether a working copy leaves the key alone. */
  isHeld(key: string): boolean {
    if (Object.hasOwn(this.ephemeral, key)) return true;
    const isOwn = !this.agentKeys.includes(key) && !RESERVED.includes(key);
    return Object.hasOwn(this.values, key) && (this.isProtected(key) || isOwn);
  }

  clear(timestamp: string): void {
    const keys = Object.keys(this.ephemeral).sort();
    this.ephemeral = {};
    if (keys.length > 0) this.write({ op: 'clear', timestamp, keys, ephemeral: true });
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
        if (ephemeral) {
          if (isDeepStrictEqual(this.ephemeral[key], value)) return undefined;
          this.ephemeral[key] = structuredClone(value);
          this.write({ op: 'set', timestamp: now, keys: [key], ephemeral: true });
          return undefined;
        }
        this.agentKeys = this.agentKeys.filter((other) => other !== key);
        if (!isSame || (protect && !this.isProtected(key))) {
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
        if (Object.hasOwn(this.ephemeral, change.key)) {
          delete this.ephemeral[change.key];
          this.write({ op: 'delete', timestamp: now, keys: [change.key], ephemeral: true });
        }
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
    const gone = Object.keys(this.values).filter(
      (key) => !Object.hasOwn(named, key) && !this.isProtected(key) && !RESERVED.includes(key),
    );
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
    const isWanted = (key: string): boolean => {
      const isSame = isDeepStrictEqual(this.values[key], branch.values[key]);
      if (!fresh.includes(key) && (isSame || isDeepStrictEqual(base.values[key], branch.values[key]))) return false;
      return isSame || !this.isHeld(key);
    };
    const changes = Object.fromEntries(Object.entries(branch.values).filter(([key]) => isWanted(key)));
    const gone = Object.keys(base.values).filter((key) => !Object.hasOwn(branch.values, key) && isWanted(key));
    const isSkipped = (key: string): boolean =>
      !isDeepStrictEqual(this.values[key], branch.values[key]) && this.isHeld(key);
    const protectable = fresh.filter((key) => !isSkipped(key));
    if (Object.keys(changes).length + gone.length > 0)
      this.commit(changes, gone, now, { op: 'merge', strategy: 'branch' });
    this.agentKeys.push(...Object.keys(changes).filter((key) => !RESERVED.includes(key)));
    this.protectedKeys.push(...protectable);
  }
}
