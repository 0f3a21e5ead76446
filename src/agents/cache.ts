/**
 * The teams that one worker has open. A session leases a team for the time of a call; the first lease of a
 * digest opens it, the others use it. Losing an entry costs time and nothing else.
 *
 * Two kinds of entries share one bound: a team, by `team@digest`, with up to `poolSize` instances; and the
 * private agent of a session that overrides one, by `agentId#sessionId`, which uses its team's connections.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { AgentOverride, ResolvedTeam } from '../contracts/team.ts';
import type { CacheEntry, CacheStats } from './cache-stats.ts';
import { type FetchTeam, TeamDefinitions } from './definitions.ts';
import { canonicalJson } from './digest.ts';
import { makePrivateAgent, type PrivateAgent } from './private-agent.ts';
import type { Agent, Team } from './team.ts';

export interface AgentCacheOptions {
  /** Instances per digest, from 1. */
  readonly poolSize: number;
  /** Most entries, from 1. Exceeded only by entries in use. */
  readonly maxEntries: number;
  /** An entry that nobody used for this long is closed. Default 30 min. */
  readonly idleMs?: number;
  /** Shortest time between two logs of the statistics. Default 5 min. */
  readonly statsMs?: number;
  /** How long `close` waits for leases, and then for each team to close. Default 10 s. */
  readonly closeMs?: number;
  open(resolved: ResolvedTeam, instanceId: string): Promise<Team>;
  readonly log: Logger;
}

/** The right to use a team until `release`. */
export interface Lease {
  readonly team: Team;
  /**
   * The shared agent, or the session's own where it overrides that agent.
   * @throws CopilotError `InvalidInput`, see {@link Team.agent}
   */
  readonly agent: (id: string, override?: AgentOverride) => Agent;
  /** May be called twice. */
  readonly release: () => void;
}

interface SharedEntry {
  readonly kind: 'shared';
  readonly digest: string;
  readonly slots: (Promise<Team> | undefined)[];
  /** Name of the team, as soon as it is known. */
  name?: string;
  leases: number;
  /** Slot of the next new session. */
  next: number;
  usedAt: number;
}

interface PrivateEntry extends PrivateAgent {
  readonly kind: 'private';
  readonly digest: string;
  /** Changes with the override and with the team. */
  readonly made: string;
  usedAt: number;
}

type Entry = SharedEntry | PrivateEntry;

const IDLE_MS = 30 * 60_000;
const STATS_MS = 5 * 60_000;
const CLOSE_MS = 10_000;
const MAX_SWEEP_MS = 60_000;
/** Sessions whose slot is remembered; one that was forgotten may get another, which costs nothing. */
const MAX_SESSIONS = 10_000;

export class AgentCache {
  readonly #options: AgentCacheOptions;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #slots = new LRUCache<string, number>({ max: MAX_SESSIONS });
  readonly #definitions = new TeamDefinitions();
  readonly #closing = new Set<Promise<void>>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #counts = {
    sessions: 0,
    messages: 0,
    opens: 0,
    failedOpens: 0,
    openMs: 0,
    hits: 0,
    misses: 0,
    evictions: 0,
    closeFailures: 0,
  };
  #leased = 0;
  #loggedStats = '';
  #loggedAt = performance.now();
  #drained: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: AgentCacheOptions) {
    this.#options = options;
    const idleMs = options.idleMs ?? IDLE_MS;
    this.#sweeper = setInterval(() => this.#sweep(idleMs), Math.max(10, Math.min(idleMs / 2, MAX_SWEEP_MS)));
    this.#sweeper.unref();
  }

  /**
   * Runs `fn` with a lease on the session's team, and gives it back whatever happens.
   * @param fetch called where neither the team nor its definition is here
   * @throws what `fetch`, opening the team or `fn` throws; an `Error` when the cache is closed
   */
  async withTeam<T>(sessionId: string, digest: string, fetch: FetchTeam, fn: (lease: Lease) => Promise<T>): Promise<T> {
    const lease = await this.lease(sessionId, digest, fetch);
    try {
      return await fn(lease);
    } finally {
      lease.release();
    }
  }

  /** As {@link withTeam}, for callers that cannot use it: they must call `release`. */
  async lease(sessionId: string, digest: string, fetch: FetchTeam): Promise<Lease> {
    // A plain error: another worker can do the work.
    if (this.#closed) throw new Error('this worker is shutting down');
    const entry = this.#shared(digest);
    entry.leases += 1;
    this.#leased += 1;
    this.#evict();
    let held = true;
    const release = (): void => {
      if (held) this.#release(entry);
      held = false;
    };
    try {
      const team = await this.#instance(entry, this.#slotOf(entry, sessionId), fetch);
      this.#counts.messages += 1;
      return { team, agent: (id, override) => this.#agent(team, sessionId, id, override), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Remembers a definition, so that its first lease need not fetch it. */
  prime(resolved: ResolvedTeam): void {
    this.#definitions.remember(resolved);
  }

  stats(): CacheStats {
    const { openMs, ...counts } = this.#counts;
    const entries = [...this.#entries.values()];
    return {
      ...counts,
      poolSize: this.#options.poolSize,
      meanOpenMs: counts.opens === 0 ? 0 : Math.round(openMs / counts.opens),
      reusePerInstance: counts.opens === 0 ? 0 : Math.round((counts.messages / counts.opens) * 10) / 10,
      instances: entries.reduce((sum, entry) => sum + instancesOf(entry), 0),
      privateAgents: entries.filter(({ kind }) => kind === 'private').length,
      sessionsWithOverrides: new Set(
        entries.flatMap((entry) => (entry.kind === 'private' ? [entry.facts.metadata.session_id] : [])),
      ).size,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** What is open now, least recently used first. */
  entries(): CacheEntry[] {
    return [...this.#entries].map(([key, entry]) =>
      entry.kind === 'private'
        ? { kind: 'private', key, ...entry.facts }
        : {
            kind: 'shared',
            key: `${entry.name ?? '?'}@${entry.digest}`,
            leases: entry.leases,
            instances: instancesOf(entry),
          },
    );
  }

  /** Takes no more leases, waits for those that are out, closes every team, and logs the statistics. Never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll();
    return this.#closed;
  }

  async #closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    if (this.#leased > 0) {
      const drained = await within(this.#closeMs, new Promise<void>((resolve) => (this.#drained = resolve)));
      if (!drained) this.#options.log.warn({ leases: this.#leased }, 'agent teams are closed while in use');
    }
    for (const key of this.#entries.keys()) this.#remove(key);
    await Promise.all(this.#closing);
    this.#logStats();
  }

  get #closeMs(): number {
    return this.#options.closeMs ?? CLOSE_MS;
  }

  #shared(digest: string): SharedEntry {
    const found = this.#entries.get(digest);
    const entry: SharedEntry =
      found?.kind === 'shared' ? found : { kind: 'shared', digest, slots: [], leases: 0, next: 0, usedAt: 0 };
    this.#use(digest, entry);
    return entry;
  }

  /** New sessions go round the pool; each stays where it first was. */
  #slotOf(entry: SharedEntry, sessionId: string): number {
    const known = this.#slots.get(sessionId);
    if (known !== undefined) return known;
    const slot = entry.next;
    entry.next = (slot + 1) % this.#options.poolSize;
    this.#slots.set(sessionId, slot);
    this.#counts.sessions += 1;
    return slot;
  }

  async #instance(entry: SharedEntry, slot: number, fetch: FetchTeam): Promise<Team> {
    if (!entry.slots[slot]) {
      const resolved = await this.#definitions.get(entry.digest, fetch);
      entry.name = resolved.definition.name;
      // Somebody else may have begun to open it in the meantime.
      if (!entry.slots[slot]) return this.#open(entry, slot, resolved);
    }
    const team = await entry.slots[slot];
    this.#counts.hits += 1;
    return team;
  }

  /** The promise is stored before anything is awaited, so that concurrent first uses open once; a failed one is not kept. */
  #open(entry: SharedEntry, slot: number, resolved: ResolvedTeam): Promise<Team> {
    this.#counts.misses += 1;
    const instanceId = `${resolved.definition.name}@${entry.digest.slice(0, 12)}/${randomBytes(4).toString('hex')}`;
    const startedAt = performance.now();
    const opening = this.#options.open(resolved, instanceId).then(
      (team) => {
        this.#counts.opens += 1;
        this.#counts.openMs += performance.now() - startedAt;
        return team;
      },
      (error: unknown) => {
        this.#counts.failedOpens += 1;
        if (entry.slots[slot] === opening) entry.slots[slot] = undefined;
        throw error;
      },
    );
    entry.slots[slot] = opening;
    return opening;
  }

  #agent(team: Team, sessionId: string, id: string, override: AgentOverride | undefined): Agent {
    const key = `${id}#${sessionId}`;
    const configuration = override ?? {};
    if (Object.keys(configuration).length === 0) {
      this.#entries.delete(key);
      return team.agent(id);
    }
    const made = canonicalJson([team.id, configuration]);
    const found = this.#entries.get(key);
    const entry: PrivateEntry =
      found?.kind === 'private' && found.made === made
        ? found
        : {
            kind: 'private',
            digest: team.digest,
            made,
            usedAt: 0,
            ...makePrivateAgent(team, sessionId, id, configuration),
          };
    this.#use(key, entry);
    this.#evict();
    return entry.agent;
  }

  #use(key: string, entry: Entry): void {
    entry.usedAt = performance.now();
    this.#entries.delete(key);
    this.#entries.set(key, entry);
  }

  #release(entry: SharedEntry): void {
    entry.leases -= 1;
    this.#leased -= 1;
    entry.usedAt = performance.now();
    if (entry.leases === 0 && instancesOf(entry) === 0 && this.#entries.get(entry.digest) === entry)
      this.#entries.delete(entry.digest);
    if (this.#leased === 0) this.#drained?.();
    this.#evict();
  }

  #evict(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= this.#options.maxEntries) return;
      if (isFree(entry)) this.#evictEntry(key);
    }
  }

  #sweep(idleMs: number): void {
    const before = performance.now() - idleMs;
    for (const [key, entry] of this.#entries) {
      if (isFree(entry) && entry.usedAt <= before) this.#evictEntry(key);
    }
    if (performance.now() - this.#loggedAt >= (this.#options.statsMs ?? STATS_MS)) this.#logStats();
  }

  #evictEntry(key: string): void {
    this.#counts.evictions += 1;
    this.#remove(key);
  }

  /** Off the map first: whoever comes while it closes opens a new one. */
  #remove(key: string): void {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    if (entry?.kind !== 'shared') return;
    for (const [other, { kind, digest }] of this.#entries) {
      if (kind === 'private' && digest === entry.digest) this.#entries.delete(other);
    }
    for (const slot of entry.slots) {
      if (!slot) continue;
      const closing = this.#closeTeam(slot).finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
    }
  }

  async #closeTeam(slot: Promise<Team>): Promise<void> {
    let instance: string | undefined;
    try {
      const closing = slot.then(
        (team) => {
          instance = team.id;
          return team.close();
        },
        // What did not open has nothing to close.
        () => undefined,
      );
      if (!(await within(this.#closeMs, closing))) throw new Error(`it did not close in ${this.#closeMs} ms`);
    } catch (err) {
      this.#counts.closeFailures += 1;
      this.#options.log.warn({ err, instance }, 'agent team not closed');
    }
  }

  #logStats(): void {
    const stats = this.stats();
    const { memoryBytes: _, ...comparable } = stats;
    if (JSON.stringify(comparable) === this.#loggedStats) return;
    this.#loggedStats = JSON.stringify(comparable);
    this.#loggedAt = performance.now();
    this.#options.log.info(stats, 'agent cache statistics');
  }
}

function isFree(entry: Entry): boolean {
  return entry.kind === 'private' || entry.leases === 0;
}

function instancesOf(entry: Entry): number {
  return entry.kind === 'shared' ? entry.slots.filter((slot) => slot !== undefined).length : 0;
}

/** Whether it ended in time. Rejects as it does; what comes later is not heard. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
