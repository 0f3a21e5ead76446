/**
 * Agents that sessions override. They use the connections of their team, so they cost only memory: they have a bound of
 * their own, and never close a team.
 */
import { LRUCache } from 'lru-cache';
import type { AgentOverride } from '../../contracts/team.ts';
import { canonicalJson } from '../../contracts/digest.ts';
import type { Agent, Team } from '../team.ts';
import { keyOf, type PrivateEntry } from './entries.ts';
import { makePrivateAgent } from './private-agent.ts';

/** Private agents that are kept. One that was dropped is made again when its session needs it. */
const MAX_AGENTS = 1_000;
/** Sessions that are counted. */
const MAX_SESSIONS = 10_000;
/** Sessions that one check asks about. */
const MAX_CHECKED = 500;

/** Says which of these sessions are open. */
export type FindOpenSessions = (sessionIds: readonly string[]) => Promise<ReadonlySet<string>>;

export class PrivateAgents {
  readonly #entries = new LRUCache<string, PrivateEntry>({ max: MAX_AGENTS });
  /** Sessions that override agents and are not known to have closed, with the time of their last use. */
  readonly #sessions = new LRUCache<string, number>({ max: MAX_SESSIONS });

  /** Least recently used first. */
  get entries(): PrivateEntry[] {
    return [...this.#entries.rvalues()].filter((entry) => entry !== undefined);
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /**
   * The session's own agent if it overrides it, else the shared one.
   * @throws CopilotError `InvalidInput`, see {@link Team.agent}
   */
  get(team: Team, sessionId: string, id: string, configuration: AgentOverride = {}): Agent {
    const key = `${id}#${sessionId}`;
    if (Object.keys(configuration).length === 0) {
      this.#takeBack(key, sessionId);
      return team.agent(id);
    }
    const made = canonicalJson([team.id, configuration]);
    const found = this.#entries.get(key);
    const entry: PrivateEntry =
      found?.made === made
        ? found
        : {
            kind: 'private',
            digest: team.digest,
            made,
            usedAt: 0,
            ...makePrivateAgent(team, sessionId, id, configuration),
          };
    entry.usedAt = performance.now();
    this.#entries.set(key, entry);
    this.#sessions.set(sessionId, entry.usedAt);
    return entry.agent;
  }

  remove(entry: PrivateEntry): void {
    this.#entries.delete(keyOf(entry));
  }

  /** Removes the agents of a session that has closed. */
  forget(sessionId: string): void {
    this.#sessions.delete(sessionId);
    this.#removeIf(({ facts }) => facts.metadata.session_id === sessionId);
  }

  /** Removes the agents that use the connections of a team that closes. */
  removeOf(digest: string): void {
    this.#removeIf((entry) => entry.digest === digest);
  }

  clear(): void {
    this.#entries.clear();
    this.#sessions.clear();
  }

  removeIdle(before: number): void {
    this.#removeIf(({ usedAt }) => usedAt <= before);
  }

  /** Forgets sessions that were not used since `before` and have closed. Another worker may have closed them. */
  async forgetClosed(before: number, findOpen: FindOpenSessions): Promise<void> {
    const isUnused = (sessionId: string): boolean => (this.#sessions.peek(sessionId) ?? 0) <= before;
    const asked = [...this.#sessions.keys()].map(String).filter(isUnused).slice(-MAX_CHECKED);
    if (asked.length === 0) return;
    const open = await findOpen(asked);
    for (const sessionId of asked) {
      if (!isUnused(sessionId)) continue; // it was used meanwhile
      // Those that are open are asked about again after all others.
      if (open.has(sessionId)) this.#sessions.get(sessionId);
      else this.forget(sessionId);
    }
  }

  #takeBack(key: string, sessionId: string): void {
    if (!this.#entries.delete(key)) return;
    const hasOthers = this.entries.some(({ facts }) => facts.metadata.session_id === sessionId);
    if (!hasOthers) this.#sessions.delete(sessionId);
  }

  #removeIf(matches: (entry: PrivateEntry) => boolean): void {
    for (const entry of this.entries) if (matches(entry)) this.remove(entry);
  }
}
