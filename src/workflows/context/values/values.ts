/** Keys and stored values, and how large they are together. */
import { toFailure } from '../../../contracts/errors.ts';
import { type Json, type JsonObject, memberOf } from '../../../contracts/json.ts';
import { MAX_CONTEXT_BYTES } from '../../../contracts/limits.ts';
import { entryBytes } from '../tree.ts';
import { beginningOf } from '../../../contracts/text-cut.ts';

/** Guards the limit, and what was handed out by {@link share}: the next change is made on a copy of the top level. */
export class Values {
  #data: Record<string, Json>;
  /** Whether nobody else holds `#data`. */
  #isOwned = false;
  /** Sum of {@link entryBytes}. */
  #entryBytes: number;

  /** @param data stored values, which nobody changes */
  constructor(data: JsonObject = {}) {
    this.#data = data;
    this.#entryBytes = Object.entries(data).reduce((sum, [key, value]) => sum + entryBytes(key, value), 0);
  }

  /** Size as JSON in UTF-8. */
  get bytes(): number {
    return jsonBytes(this.#entryBytes);
  }

  get keys(): string[] {
    return Object.keys(this.#data);
  }

  get(key: string): Json | undefined {
    return memberOf(this.#data, key);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#data, key);
  }

  /** The values as they are now; they stay so. */
  share(): JsonObject {
    this.#isOwned = false;
    return this.#data;
  }

  clone(): Values {
    const clone = new Values();
    clone.#data = this.share();
    clone.#entryBytes = this.#entryBytes;
    return clone;
  }

  /** Each key with its value, the largest first. */
  sizes(): { key: string; bytes: number }[] {
    const sizes = Object.entries(this.#data).map(([key, value]) => ({ key, bytes: entryBytes(key, value) }));
    return sizes.sort((a, b) => b.bytes - a.bytes);
  }

  /** @throws InvalidInput if {@link apply} would */
  check(changes: ReadonlyMap<string, Json | undefined>): void {
    const bytes = jsonBytes(this.#entryBytesAfter(changes));
    if (bytes <= MAX_CONTEXT_BYTES || bytes <= this.bytes) return;
    const keys = [...changes.keys()].map((key) => `"${beginningOf(key, 60)}"`);
    const what = keys.length === 1 ? `Context value ${keys[0]}` : `Context values ${keys.slice(0, 5).join(', ')}`;
    const problem = `the context would be ${bytes} bytes large and ${MAX_CONTEXT_BYTES} are allowed; keep large data in files`;
    throw toFailure('InvalidInput', { what, problem });
  }

  /**
   * Sets these values, and deletes the keys of those that are undefined: all of them or, on an error, none.
   * @throws InvalidInput if all values together would pass 256 KiB
   */
  apply(changes: ReadonlyMap<string, Json | undefined>): void {
    this.check(changes);
    this.#entryBytes = this.#entryBytesAfter(changes);
    if (!this.#isOwned) this.#data = { ...this.#data };
    this.#isOwned = true;
    for (const [key, value] of changes) {
      if (value === undefined) delete this.#data[key];
      else this.#data[key] = value;
    }
  }

  #entryBytesAfter(changes: ReadonlyMap<string, Json | undefined>): number {
    let bytes = this.#entryBytes;
    for (const [key, value] of changes) {
      const old = this.get(key);
      bytes += (value === undefined ? 0 : entryBytes(key, value)) - (old === undefined ? 0 : entryBytes(key, old));
    }
    return bytes;
  }
}

/** An entry's comma stands for one bracket too many or too few; an empty object has two and no entry. */
function jsonBytes(entries: number): number {
  return Math.max(2, entries + 1);
}
