/** Definitions of teams by digest: as many as fit, and one fetch at a time for each that is missing. */
import { LRUCache } from 'lru-cache';
import { CopilotError } from '../../contracts/errors.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import { digestOf } from '../../digest.ts';

/** Gets the definition that a session is pinned to. */
export type FetchTeam = () => Promise<ResolvedTeam>;

/** Kept beside the open teams, up to 256 KiB each. */
const MAX_DEFINITIONS = 64;

export class TeamDefinitions {
  readonly #known = new LRUCache<string, ResolvedTeam>({ max: MAX_DEFINITIONS });
  readonly #fetches = new Map<string, Promise<ResolvedTeam>>();

  remember(resolved: ResolvedTeam): void {
    this.#known.set(resolved.digest, resolved);
  }

  /**
   * Shares the fetch of another session. Where that fails, it says nothing about ours: its session may be gone.
   * @throws CopilotError `InvalidInput` for a definition that is not the one of its digest; what `fetch` throws
   */
  async get(digest: string, fetch: FetchTeam): Promise<ResolvedTeam> {
    const known = this.#known.get(digest);
    if (known) return known;
    const others = this.#fetches.get(digest);
    if (others) {
      const fetched = await others.catch(() => undefined);
      if (fetched) return fetched;
    }
    // No await between the look and this, or concurrent first uses would all fetch.
    const own = this.#fetch(digest, fetch);
    this.#fetches.set(digest, own);
    try {
      return await own;
    } finally {
      if (this.#fetches.get(digest) === own) this.#fetches.delete(digest);
    }
  }

  async #fetch(digest: string, fetch: FetchTeam): Promise<ResolvedTeam> {
    const resolved = await fetch();
    if (resolved.digest !== digest) throw new Error(`asked for team ${digest}, got ${resolved.digest}`);
    // A session can be started with anything, and what is remembered here is used for all sessions of this digest.
    if (digestOf(resolved.definition) !== digest) {
      const problem = 'its content is not what its digest names; start the session with a team as a worker resolves it';
      throw new CopilotError('InvalidInput', { what: `Team ${resolved.definition.name} of this session`, problem });
    }
    this.remember(resolved);
    return resolved;
  }
}
