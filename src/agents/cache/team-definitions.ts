/** Team definitions by digest. Concurrent misses of one digest share a fetch. */
import { LRUCache } from 'lru-cache';
import { CopilotError } from '../../contracts/errors.ts';
import type { ResolvedTeam } from '../../contracts/team.ts';
import { digestOf } from '../../contracts/digest.ts';

/** Fetches the definition that a session is pinned to. */
export type FetchTeam = () => Promise<ResolvedTeam>;

/** How many definitions are kept besides the open teams. Each has up to 256 KiB. */
const MAX_DEFINITIONS = 64;

export class TeamDefinitions {
  readonly #known = new LRUCache<string, ResolvedTeam>({ max: MAX_DEFINITIONS });
  readonly #fetches = new Map<string, Promise<ResolvedTeam>>();

  remember(resolved: ResolvedTeam): void {
    this.#known.set(resolved.digest, resolved);
  }

  /**
   * Gets a definition. It shares the fetch of another session; if that fails, it fetches itself, because only the other
   * session may be gone.
   * @throws CopilotError `InvalidInput` if the definition does not match its digest; what `fetch` throws
   */
  async get(digest: string, fetch: FetchTeam): Promise<ResolvedTeam> {
    const known = this.#known.get(digest);
    if (known) return known;
    const others = this.#fetches.get(digest);
    if (others) {
      const fetched = await others.catch(() => undefined);
      if (fetched) return fetched;
    }
    // No await between the lookup and this, or concurrent first uses would all fetch.
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
    // A session can be started with any definition, and this one will serve all sessions of the digest.
    if (digestOf(resolved.definition) !== digest) {
      const problem = 'its content does not match its digest; start the session with a team that a worker has resolved';
      throw new CopilotError('InvalidInput', { what: `Team ${resolved.definition.name} of this session`, problem });
    }
    this.remember(resolved);
    return resolved;
  }
}
