/** The session's key/value state: versioned, with keys that keep their first value. */
import type { Json } from '../contracts/json.ts';
import { toFailure } from '../contracts/errors.ts';
import { MAX_CONTEXT_BYTES } from '../contracts/limits.ts';
import type { ContextState } from '../contracts/session.ts';

/** Keys that keep their first value in every session. */
const ALWAYS_PROTECTED: readonly string[] = ['session_id', 'run_id', 'initial_task', 'workflow_id'];

export const EMPTY_CONTEXT: ContextState = { version: 0, values: {}, protectedKeys: [] };

/**
 * Guards the invariants of a {@link ContextState}: values are isolated copies, a change adds one to the
 * version, an equal value is no change, and a protected key keeps its value.
 */
export class DurableContext {
  #state: ContextState;

  constructor(state: ContextState = EMPTY_CONTEXT) {
    this.#state = state;
  }

  /** Goes up by one with every change, from 0. */
  get version(): number {
    return this.#state.version;
  }

  /** A copy of the value, or undefined. */
  get(key: string): Json | undefined {
    const value = Object.hasOwn(this.#state.values, key) ? this.#state.values[key] : undefined;
    return value === undefined ? undefined : copy(value);
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#state.values, key);
  }

  keys(): string[] {
    return Object.keys(this.#state.values);
  }

  /**
   * Sets a value; `protect` makes it keep that value.
   * @returns whether anything changed
   * @throws ProtectedKey where a protected key holds another value
   * @throws InvalidInput where all values together would pass 256 KiB
   */
  set(key: string, value: Json, { protect = false }: { protect?: boolean } = {}): boolean {
    const isSame = this.has(key) && JSON.stringify(this.#state.values[key]) === JSON.stringify(value);
    if (this.isProtected(key) && this.has(key) && !isSame) throw toFailure('ProtectedKey', { key });
    const newlyProtected = protect && !this.isProtected(key);
    if (isSame && !newlyProtected) return false;
    const values = { ...this.#state.values, [key]: copy(value) };
    const size = JSON.stringify(values).length;
    if (size > MAX_CONTEXT_BYTES) {
      throw toFailure('InvalidInput', {
        what: `Context value "${key}"`,
        problem: `the context would be ${size} characters long and ${MAX_CONTEXT_BYTES} are allowed; keep large data in files`,
      });
    }
    this.#state = {
      version: this.#state.version + 1,
      values,
      protectedKeys: newlyProtected ? [...this.#state.protectedKeys, key] : this.#state.protectedKeys,
    };
    return true;
  }

  isProtected(key: string): boolean {
    return ALWAYS_PROTECTED.includes(key) || this.#state.protectedKeys.includes(key);
  }

  /** The values of these keys, as far as they are set. */
  pick(keys: readonly string[]): Record<string, Json> {
    return Object.fromEntries(
      keys.flatMap((key) => {
        const value = this.get(key);
        return value === undefined ? [] : [[key, value]];
      }),
    );
  }

  /** The whole state as plain JSON. */
  toJSON(): ContextState {
    return copy(this.#state);
  }
}

/** The sandbox has no structuredClone, and JSON is all there is to copy. */
function copy<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T; // the same JSON has the same type
}
