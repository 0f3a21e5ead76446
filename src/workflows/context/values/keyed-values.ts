/** Values by key, persistent and ephemeral, with a version, protected keys and a change log. */
import {
  type Change,
  type ContextState,
  type ContextValues,
  type ContextWarning,
  type MergeReport,
  WARN_CONTEXT_BYTES,
} from '../../../contracts/context.ts';
import { toFailure } from '../../../contracts/errors.ts';
import type { Json, JsonObject } from '../../../contracts/json.ts';
import { appendChange } from './changes.ts';
import { compacted } from './compact.ts';
import { KeyRules } from './key-rules.ts';
import { type Isolation, type MergeOptions, type MergePlan, planMerge, storable } from './merge.ts';
import { copyOf, isEqual } from '../tree.ts';
import { Values } from './values.ts';

/** Keys that a warning of the size names. */
const MAX_NAMED = 3;

interface SetOptions extends Isolation {
  /** Makes the key keep this value. Default false. */
  readonly protect?: boolean;
  /** Keeps it apart: see {@link DurableContext}. Default false. */
  readonly ephemeral?: boolean;
  /** Cuts long texts in a value of over 16 KiB, for values that the program itself keeps. Default false. */
  readonly compact?: boolean;
}

/** What a context has beside its state. */
export interface Beside {
  /** Size from which it warns. Default {@link WARN_CONTEXT_BYTES}. */
  readonly warnAtBytes?: number;
  /** Ephemeral values. Default none. */
  readonly ephemeral?: JsonObject;
}

/** The half of a {@link DurableContext} that is used like a dictionary. */
export class KeyedValues {
  protected readonly warnAtBytes: number;
  protected currentVersion: number;
  protected values: Values;
  protected ephemeralValues: Values;
  protected rules: KeyRules;
  protected readonly log: Change[];
  protected warnings: ContextWarning[] = [];

  /** @param state as `toJSON` gave it, or a part of it; default empty */
  constructor(
    { version = 0, values = {}, protectedKeys, agentKeys, changes = [] }: Partial<ContextState> = {},
    { warnAtBytes = WARN_CONTEXT_BYTES, ephemeral = {} }: Beside = {},
  ) {
    this.warnAtBytes = warnAtBytes;
    this.currentVersion = version;
    this.values = new Values(copyOf(values));
    this.ephemeralValues = new Values(copyOf(ephemeral));
    this.rules = new KeyRules(protectedKeys, agentKeys);
    this.log = changes.map((change) => copyOf(change));
  }

  /** Goes up by one with every change, from 0. */
  get version(): number {
    return this.currentVersion;
  }

  /** Number of keys. */
  get size(): number {
    return this.keys().length;
  }

  /** A copy of the value, or undefined. */
  get(key: string, { isolate = true }: Isolation = {}): Json | undefined {
    const value = this.values.has(key) ? this.values.get(key) : this.ephemeralValues.get(key);
    return value === undefined || !isolate ? value : copyOf(value);
  }

  has(key: string): boolean {
    return this.values.has(key) || this.ephemeralValues.has(key);
  }

  keys(): string[] {
    return [...new Set([...this.values.keys, ...this.ephemeralValues.keys])];
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
    return this.rules.isProtected(key);
  }

  /** Whether the key has a value that the agents may not change, since it belongs to a person or program. */
  isHeld(key: string): boolean {
    return this.ephemeralValues.has(key) || this.rules.isHeld(key, this.values);
  }

  /**
   * Sets a value.
   * @returns whether anything changed
   * @throws ProtectedKey if a protected key holds another value, or would get an ephemeral one
   * @throws InvalidInput if the key or value is not allowed, or all values together would pass 256 KiB
   */
  set(key: string, value: Json, now: string, options: SetOptions = {}): boolean {
    const { protect = false, ephemeral = false, compact = false, isolate = true } = options;
    const previous = this.values.get(key);
    const stored = storable(key, compact ? compacted(value) : value, previous, isolate);
    const isSame = stored === previous;
    if (!isSame && (previous !== undefined || ephemeral) && this.isProtected(key))
      throw toFailure('ProtectedKey', { key });
    if (ephemeral) return !(isSame && this.isProtected(key)) && this.#setEphemeral(key, stored, now, protect);
    this.rules.give(key, 'others');
    const newlyProtected = protect && !this.isProtected(key);
    if (isSame && !newlyProtected) return false;
    this.commit(new Map([[key, stored]]), { op: 'set', timestamp: now });
    if (newlyProtected) this.rules.protect(key);
    return true;
  }

  /**
   * Sets several values as one change; protected keys are skipped.
   * @throws InvalidInput as {@link set} does; then none is set
   */
  update(values: ContextValues, now: string, options: Isolation = {}): MergeReport {
    const plan = planMerge(values, this.values, (key) => this.isProtected(key), { ...options, strategy: 'update' });
    return this.carryOut(plan, { op: 'update', timestamp: now });
  }

  /**
   * Merges values in as one change; protected keys are skipped.
   * @throws InvalidInput as {@link set} does, for an unknown strategy, and for a prefix that is missing
   */
  merge(values: ContextValues, now: string, options: MergeOptions = {}): MergeReport {
    const plan = planMerge(values, this.values, (key) => this.isProtected(key), options);
    return this.carryOut(plan, { op: 'merge', timestamp: now, strategy: options.strategy ?? 'safe' });
  }

  /**
   * Takes a key away, with its ephemeral value.
   * @returns whether there was anything
   * @throws ProtectedKey for a protected key, set or not
   */
  delete(key: string, now: string): boolean {
    if (this.isProtected(key)) throw toFailure('ProtectedKey', { key });
    const wasThere = this.has(key);
    if (this.ephemeralValues.has(key)) this.#changeEphemeral('delete', new Map([[key, undefined]]), now);
    if (this.values.has(key)) this.commit(new Map([[key, undefined]]), { op: 'delete', timestamp: now });
    return wasThere;
  }

  /** Forgets all ephemeral values. @returns their keys */
  clearEphemeral(now: string): string[] {
    const { keys } = this.ephemeralValues;
    if (keys.length > 0) this.#changeEphemeral('clear', new Map(keys.map((key) => [key, undefined])), now);
    return keys;
  }

  /** The change log, oldest first. */
  get changes(): Change[] {
    return this.log.map((change) => copyOf(change));
  }

  /** Warnings since they were taken last. They are not carried: take them after each change. */
  takeWarnings(): ContextWarning[] {
    const warnings = this.warnings;
    this.warnings = [];
    return warnings;
  }

  #setEphemeral(key: string, value: Json, now: string, protect: boolean): boolean {
    if (protect) {
      throw toFailure('InvalidInput', {
        what: `Context key "${key}"`,
        problem: 'an ephemeral value cannot be protected',
      });
    }
    if (isEqual(this.ephemeralValues.get(key), value)) return false;
    this.#changeEphemeral('set', new Map([[key, value]]), now);
    return true;
  }

  #changeEphemeral(op: Change['op'], changes: MergePlan['changes'], timestamp: string): void {
    this.ephemeralValues.apply(changes);
    const keys = [...changes.keys()];
    appendChange(this.log, { op, version: this.currentVersion, timestamp, keys, ephemeral: true });
  }

  protected carryOut({ changes, skipped }: MergePlan, change: Omit<Change, 'keys' | 'count' | 'version'>): MergeReport {
    if (changes.size > 0) this.commit(changes, change);
    return { changed: [...changes.keys()], skipped };
  }

  /** One change of the persistent values: a new version, an entry in the log, and perhaps a warning. */
  protected commit(changes: MergePlan['changes'], change: Omit<Change, 'keys' | 'count' | 'version'>): void {
    const before = this.values.bytes;
    this.values.apply(changes);
    this.currentVersion += 1;
    const { op, strategy } = change;
    this.rules.settle(changes, strategy === 'branch' ? 'agents' : op === 'restore' ? 'snapshot' : 'others');
    appendChange(this.log, { ...change, version: this.currentVersion, keys: [...changes.keys()] });
    const { bytes } = this.values;
    if (before > this.warnAtBytes || bytes <= this.warnAtBytes) return;
    const largest = this.values
      .sizes()
      .slice(0, MAX_NAMED)
      .map(({ key }) => key);
    this.warnings.push({ kind: 'size', bytes, warnAtBytes: this.warnAtBytes, largest });
  }
}
