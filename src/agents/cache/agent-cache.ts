/**
 * The teams that one worker has open. A session leases a team for the duration of a call. The first lease of a digest
 * opens the team, later leases reuse it. Losing an entry costs time and nothing else.
 *
 * Two kinds of entries share one limit: a team, by `team@digest`, with up to `poolSize` instances; and the private agent
 * of a session that overrides an agent, by `agentId#sessionId`, which uses its team's connections.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { AgentOverride, ResolvedTeam } from '../../contracts/team.ts';
import { canonicalJson } from '../../contracts/digest.ts';
import type { CacheEntry, CacheStats, CloseReport, CloseRequest } from '../../contracts/worker-report.ts';
import {
  describeEntry,
  type Entry,
  type Instance,
  instancesOf,
  isFree,
  isSelected,
  keyOf,
  type PrivateEntry,
  type SharedEntry,
} from './entries.ts';
import { type FetchTeam, TeamDefinitions } from './team-definitions.ts';
import { endsWithin } from '../../tools/ends-within.ts';
import { makePrivateAgent } from './private-agent.ts';
import type { Agent, Team } from '../team.ts';

export interface AgentCacheOptions {
  /** Instances per digest, at least 1. */
  readonly poolSize: number;
  /** Maximum number of entries, at least 1. Only entries in use may exceed it. */
  readonly maxEntries: number;
  /** An entry that was not used for this long is closed. Default: 30 min. */
  readonly idleMs?: number;
  /** Shortest time between two logs of the statistics. Default: 5 min. */
  readonly statsMs?: number;
  /** How long `close` waits for leases, and then for each team to close. Default: 10 s. */
  readonly closeMs?: number;
  open(resolved: ResolvedTeam, instanceId: string): Promise<Team>;
  readonly log: Logger;
}

/** The right to use a team until `release`. */
export interface Lease {
  readonly team: Team;
  /**
   * The shared agent, or the session's own if the session overrides it.
   * @throws CopilotError `InvalidInput`, see {@link Team.agent}
   */
  readonly agent: (id: string, override?: AgentOverride) => Agent;
  /** May be called twice. */
  readonly release: () => void;
}

const IDLE_MS = 30 * 60_000;
const STATS_MS = 5 * 60_000;
const CLOSE_MS = 10_000;
const MAX_SWEEP_MS = 60_000;
/** How many sessions have a remembered slot. A forgotten session may get another slot, which costs nothing. */
const MAX_SESSIONS = 10_000;

export class AgentCache {
  readonly #options: AgentCacheOptions;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  /** Removed from the map and still in use. */
  readonly #retired = new Set<SharedEntry>();
  readonly #slots = new LRUCache<string, number>({ max: MAX_SESSIONS });
  readonly #definitions = new TeamDefinitions();
  readonly #closing = new Set<Promise<boolean>>();
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
   * Runs `fn` with a lease on the session's team and releases it afterwards.
   * @param fetch called on a cache miss of both the team and its definition
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

  /** Like {@link withTeam}, for callers that release the lease themselves. */
  async lease(sessionId: string, digest: string, fetch: FetchTeam): Promise<Lease> {
    // A plain error is retryable, and another worker can do the work.
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

  /** Stores a definition, so that its first lease does not need to fetch it. */
  prime(resolved: ResolvedTeam): void {
    this.#definitions.remember(resolved);
  }

  stats(): CacheStats {
    const { openMs, ...counts } = this.#counts;
    const entries = [...this.#entries.values(), ...this.#retired];
    return {
      ...counts,
      poolSize: this.#options.poolSize,
      meanOpenMs: counts.opens === 0 ? 0 : Math.round(openMs / counts.opens),
      reusePerInstance: counts.opens === 0 ? 0 : Math.round((counts.messages / counts.opens) * 10) / 10,
      instances: entries.reduce((sum, entry) => sum + instancesOf(entry).length, 0),
      privateAgents: entries.filter(({ kind }) => kind === 'private').length,
      sessionsWithOverrides: new Set(
        entries.flatMap((entry) => (entry.kind === 'private' ? [entry.facts.metadata.session_id] : [])),
      ).size,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  /** The open entries, least recently used first. Entries that close after their last use come at the end. */
  entries(): CacheEntry[] {
    return [
      ...[...this.#entries.values()].map((entry) => describeEntry(entry, false)),
      ...[...this.#retired].map((entry) => describeEntry(entry, true)),
    ];
  }

  /**
   * Removes the selected entries and closes them. Entries in use close when their leases end, or with `force` at once,
   * and then calls in progress fail. Resolves when all entries that close now are closed. Never rejects.
   */
  async closeEntries(request: CloseRequest): Promise<CloseReport> {
    const closed: string[] = [];
    const waiting: string[] = [];
    const closings: Promise<number>[] = [];
    const selected = [...this.#entries.values(), ...this.#retired].filter((entry) => isSelected(entry, request));
    for (const entry of selected) {
      const isNow = request.force === true || isFree(entry);
      (isNow ? closed : waiting).push(keyOf(entry));
      if (entry.kind === 'private' || !this.#retired.has(entry)) this.#counts.evictions += 1;
      closings.push(this.#remove(entry, isNow));
    }
    const failures = (await Promise.all(closings)).reduce((sum, count) => sum + count, 0);
    return { closed, waiting, failures };
  }

  /** Refuses new leases, waits for the current ones, closes every team, and logs the statistics. Never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#closeAll();
    return this.#closed;
  }

  async #closeAll(): Promise<void> {
    clearInterval(this.#sweeper);
    if (this.#leased > 0) {
      const drained = await endsWithin(new Promise<void>((resolve) => (this.#drained = resolve)), this.#closeMs);
      if (!drained) this.#options.log.warn({ leases: this.#leased }, 'agent teams are closed while in use');
    }
    for (const entry of [...this.#entries.values(), ...this.#retired]) void this.#remove(entry, true);
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

  /** New sessions get the slots of the pool in rotation, and keep them. */
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
      // Another call may have started to open it meanwhile.
      if (!entry.slots[slot]) return this.#open(entry, slot, resolved);
    }
    const team = await entry.slots[slot].team;
    this.#counts.hits += 1;
    return team;
  }

  /** Stores the promise before the first await, so that concurrent first uses open once. A failed one is not kept. */
  #open(entry: SharedEntry, slot: number, resolved: ResolvedTeam): Promise<Team> {
    this.#counts.misses += 1;
    const id = `${resolved.definition.name}@${entry.digest.slice(0, 12)}/${randomBytes(4).toString('hex')}`;
    const startedAt = performance.now();
    const team = this.#options.open(resolved, id).then(
      (opened) => {
        this.#counts.opens += 1;
        this.#counts.openMs += performance.now() - startedAt;
        return opened;
      },
      (error: unknown) => {
        this.#counts.failedOpens += 1;
        if (entry.slots[slot]?.id === id) entry.slots[slot] = undefined;
        throw error;
      },
    );
    entry.slots[slot] = { id, team };
    return team;
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
    if (entry.leases === 0) {
      if (this.#retired.has(entry)) void this.#closeInstances(entry);
      else if (instancesOf(entry).length === 0) this.#entries.delete(entry.digest);
    }
    if (this.#leased === 0) this.#drained?.();
    this.#evict();
  }

  #evict(): void {
    for (const entry of this.#entries.values()) {
      if (this.#entries.size <= this.#options.maxEntries) return;
      if (isFree(entry)) this.#evictEntry(entry);
    }
  }

  #sweep(idleMs: number): void {
    const before = performance.now() - idleMs;
    for (const entry of this.#entries.values()) {
      if (isFree(entry) && entry.usedAt <= before) this.#evictEntry(entry);
    }
    if (performance.now() - this.#loggedAt >= (this.#options.statsMs ?? STATS_MS)) this.#logStats();
  }

  #evictEntry(entry: Entry): void {
    this.#counts.evictions += 1;
    void this.#remove(entry, true);
  }

  /**
   * Removes an entry from the map first, so that calls during the closing open a new one.
   * @param isNow whether to close it even if it is in use
   * @returns how many of its instances failed to close
   */
  #remove(entry: Entry, isNow: boolean): Promise<number> {
    if (entry.kind === 'private') {
      this.#entries.delete(keyOf(entry));
      return Promise.resolve(0);
    }
    if (!this.#retired.has(entry)) {
      this.#entries.delete(entry.digest);
      for (const [key, { kind, digest }] of this.#entries) {
        if (kind === 'private' && digest === entry.digest) this.#entries.delete(key);
      }
      this.#retired.add(entry);
    }
    return isNow ? this.#closeInstances(entry) : Promise.resolve(0);
  }

  /** Closes a retired entry. A lease that still waits for its definition may open one more instance; `#release` closes it. */
  async #closeInstances(entry: SharedEntry): Promise<number> {
    if (entry.leases === 0) this.#retired.delete(entry);
    const instances = instancesOf(entry);
    entry.slots.length = 0;
    const closings = instances.map((instance) => {
      const closing = this.#closeInstance(instance).finally(() => this.#closing.delete(closing));
      this.#closing.add(closing);
      return closing;
    });
    return (await Promise.all(closings)).filter((isClosed) => !isClosed).length;
  }

  async #closeInstance({ id, team }: Instance): Promise<boolean> {
    try {
      const closing = team.then(
        (opened) => opened.close(),
        // An instance that failed to open has nothing to close.
        () => undefined,
      );
      if (!(await endsWithin(closing, this.#closeMs))) throw new Error(`it did not close in ${this.#closeMs} ms`);
      return true;
    } catch (err) {
      this.#counts.closeFailures += 1;
      this.#options.log.warn({ err, instance: id }, 'agent team did not close');
      return false;
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
