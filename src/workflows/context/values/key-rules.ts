/** Which keys of a context may change, and whose their values are. */
import { isReservedKey } from '../../../contracts/context.ts';
import type { MergePlan } from './merge.ts';
import type { Values } from './values.ts';

/** Keys that keep their first value in every session. */
const ALWAYS_PROTECTED: readonly string[] = ['session_id', 'run_id', 'initial_task', 'workflow_id'];

/**
 * A value belongs to whoever set it last. What a working copy brings back belongs to the agents, which may change it
 * again. All other values are held: they belong to a person or program.
 */
export class KeyRules {
  readonly #protected: Set<string>;
  readonly #agents: Set<string>;

  constructor(protectedKeys: Iterable<string> = [], agentKeys: Iterable<string> = []) {
    this.#protected = new Set(protectedKeys);
    this.#agents = new Set(agentKeys);
  }

  /** Beyond the ones that always are. */
  get protectedKeys(): string[] {
    return [...this.#protected];
  }

  /** Keys whose value an agent wrote. */
  get agentKeys(): string[] {
    return [...this.#agents];
  }

  clone(): KeyRules {
    return new KeyRules(this.#protected, this.#agents);
  }

  isProtected(key: string): boolean {
    return ALWAYS_PROTECTED.includes(key) || this.#protected.has(key);
  }

  protect(key: string): void {
    this.#protected.add(key);
  }

  /** Whether these values have one for the key that the agents may not change. */
  isHeld(key: string, values: Pick<Values, 'has'>): boolean {
    if (!values.has(key)) return false;
    return this.isProtected(key) || !(this.#agents.has(key) || isReservedKey(key));
  }

  /** Gives a value to the agents, or to people and programs. */
  give(key: string, owner: 'agents' | 'others'): void {
    if (owner === 'agents' && !isReservedKey(key)) this.#agents.add(key);
    else this.#agents.delete(key);
  }

  /** After a change. Values that a snapshot brings back stay with whoever has the key. */
  settle(changes: MergePlan['changes'], by: 'agents' | 'others' | 'snapshot'): void {
    for (const [key, value] of changes) {
      if (value === undefined || by !== 'snapshot')
        this.give(key, value !== undefined && by === 'agents' ? by : 'others');
    }
  }
}
