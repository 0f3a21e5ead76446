/**
 * The teams that one worker has open. A session leases a team for the duration of a call. The first lease of a digest
 * opens the team, later leases reuse it. Losing an entry costs time and nothing else.
 *
 * A team is kept by `team@digest`, with up to `poolSize` instances. The private agent of a session that overrides an
 * agent is kept beside it, by `agentId#sessionId`, and uses its connections: see {@link PrivateAgents}.
 */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ResolvedTeam } from '../../contracts/team.ts';
import type { CacheEntry, CacheStats, CloseReport, CloseRequest } from '../../contracts/worker-report.ts';
import {
  describeEntry,
  type Entry,
  type Instance,
  instancesOf,
  isFree,
  isSelected,
  keyOf,
  type SharedEntry,
} from './entries.ts';
import { type FetchTeam, TeamDefinitions } from './team-definitions.ts';
import { endsWithin } from '../../tools/ends-within.ts';
import type { AgentCacheOptions, Lease } from './options.ts';
import { PrivateAgents } from './private-agents.ts';
import type { Team } from '../team.ts';

const IDLE_MS = 30 * 60_000;
const STATS_MS = 5 * 60_000;
const CLOSE_MS = 10_000;
const MAX_SWEEP_MS = 60_000;
/** How many sessions are remembered. A forgotten session may get another slot, which costs nothing. */
const MAX_SESSIONS = 10_000;

/** What a session uses. */
interface SessionUse {
  readonly slot: number;
  /** Turn of the last call. */
  turnId: string | undefined;
}

export class AgentCache {
  readonly #options: AgentCacheOptions;
  /** Least recently used first. */
  readonly #entries = new Map<string, SharedEntry>();
  readonly #private = new PrivateAgents();
  /** Removed from the map and still in use. */
  readonly #retired = new Set<SharedEntry>();
  readonly #sessions = new LRUCache<string, SessionUse>({ max: MAX_SESSIONS });
  /** Digests whose first opening was logged. */
  readonly #announced = new LRUCache<string, true>({ max: MAX_SESSIONS });
  readonly #memoryAtStart = process.memoryUsage.rss();
  readonly #definitions = new TeamDefinitions();
  readonly #closing = new Set<Promise<boolean>>();
  readonly #sweepMs: number;
  readonly #sweeper: NodeJS.Timeout;
  readonly #counts = {
    sessions: 0,
    messages: 0,
    calls: 0,
    opens: 0,
    failedOpens: 0,
    openMs: 0,
    hits: 0,
    misses: 0,
    evictions: 0,
    closes: 0,
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
    this.#sweepMs = Math.max(10, Math.min(idleMs / 2, MAX_SWEEP_MS));
    this.#sweeper = setInterval(() => this.#sweep(idleMs), this.#sweepMs);
    this.#sweeper.unref();
  }

  /**
   * Runs `fn` with a lease on the session's team and releases it afterwards.
   * @param fetch called on a cache miss of both the team and its definition
   * @param turnId turn of the session, if an agent is called
   * @throws what `fetch`, opening the team or `fn` throws; an `Error` when the cache is closed
   */
  async withTeam<T>(
    sessionId: string,
    digest: string,
    fetch: FetchTeam,
    fn: (lease: Lease) => Promise<T>,
    turnId?: string,
  ): Promise<T> {
    const lease = await this.lease(sessionId, digest, fetch, turnId);
    try {
      return await fn(lease);
    } finally {
      lease.release();
    }
  }

  /** Like {@link withTeam}, for callers that release the lease themselves. */
  async lease(sessionId: string, digest: string, fetch: FetchTeam, turnId?: string): Promise<Lease> {
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
      const session = this.#sessionOf(entry, sessionId);
      if (turnId !== undefined) this.#countCall(session, turnId);
      const team = await this.#instance(entry, session.slot, fetch);
      return { team, agent: (id, override) => this.#private.get(team, sessionId, id, override), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Stores a definition, so that its first lease does not need to fetch it. */
  prime(resolved: ResolvedTeam): void {
    this.#definitions.remember(resolved);
  }

  /** Opens every instance of a team before its first lease. @throws what opening throws */
  async warm(resolved: ResolvedTeam): Promise<void> {
    if (this.#closed) return;
    this.prime(resolved);
    const entry = this.#shared(resolved.digest);
    entry.name = resolved.definition.name;
    entry.leases += 1;
    this.#leased += 1;
    const slots = Array.from({ length: this.#options.poolSize }, (_, slot) => slot);
    try {
      await Promise.all(slots.map((slot) => entry.slots[slot]?.team ?? this.#open(entry, slot, resolved)));
    } finally {
      this.#release(entry);
    }
  }

  /** Removes the private agents of a session that has closed. */
  forgetSession(sessionId: string): void {
    this.#private.forget(sessionId);
  }

  stats(): CacheStats {
    const { openMs, ...counts } = this.#counts;
    const entries = [...this.#entries.values(), ...this.#retired];
    const memoryBytes = process.memoryUsage.rss();
    const grownBytes = Math.max(0, memoryBytes - this.#memoryAtStart);
    return {
      ...counts,
      poolSize: this.#options.poolSize,
      meanOpenMs: counts.opens === 0 ? 0 : Math.round(openMs / counts.opens),
      reusePerInstance: counts.opens === 0 ? 0 : Math.round((counts.calls / counts.opens) * 10) / 10,
      instances: entries.reduce((sum, entry) => sum + instancesOf(entry).length, 0),
      privateAgents: this.#private.entries.length,
      sessionsWithOverrides: this.#private.sessionCount,
      memoryBytes,
      memoryPerSessionBytes: counts.sessions === 0 ? 0 : Math.round(grownBytes / counts.sessions),
    };
  }

  /** The open teams, least recently used first, those that close after their last use, and private agents. */
  entries(): CacheEntry[] {
    return [
      ...[...this.#entries.values()].map((entry) => describeEntry(entry, false)),
      ...[...this.#retired].map((entry) => describeEntry(entry, true)),
      ...this.#private.entries.map((entry) => describeEntry(entry, false)),
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
    const all: Entry[] = [...this.#private.entries, ...this.#entries.values(), ...this.#retired];
    const selected = all.filter((entry) => isSelected(entry, request));
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
    this.#private.clear();
    this.#logStats();
  }

  get #closeMs(): number {
    return this.#options.closeMs ?? CLOSE_MS;
  }

  #shared(digest: string): SharedEntry {
    const found = this.#entries.get(digest);
    const entry: SharedEntry = found ?? { kind: 'shared', digest, slots: [], leases: 0, next: 0, usedAt: 0 };
    entry.usedAt = performance.now();
    this.#entries.delete(digest);
    this.#entries.set(digest, entry);
    return entry;
  }

  /** New sessions get the slots of the pool in rotation, and keep them. */
  #sessionOf(entry: SharedEntry, sessionId: string): SessionUse {
    const known = this.#sessions.get(sessionId);
    if (known) return known;
    const session: SessionUse = { slot: entry.next, turnId: undefined };
    entry.next = (session.slot + 1) % this.#options.poolSize;
    this.#sessions.set(sessionId, session);
    this.#counts.sessions += 1;
    return session;
  }

  /** A turn is one message of a person. Turns of a session run one after another. */
  #countCall(session: SessionUse, turnId: string): void {
    this.#counts.calls += 1;
    if (session.turnId !== turnId) this.#counts.messages += 1;
    session.turnId = turnId;
  }

  async #instance(entry: SharedEntry, slot: number, fetch: FetchTeam): Promise<Team> {
    if (!entry.slots[slot]) {
      const resolved = await this.#definitions.get(entry.digest, fetch);
      entry.name = resolved.definition.name;
      // Another call may have started to open it meanwhile.
      if (!entry.slots[slot]) {
        this.#counts.misses += 1;
        return this.#open(entry, slot, resolved);
      }
    }
    const team = await entry.slots[slot].team;
    this.#counts.hits += 1;
    return team;
  }

  /** Stores the promise before the first await, so that concurrent first uses open once. A failed one is not kept. */
  #open(entry: SharedEntry, slot: number, resolved: ResolvedTeam): Promise<Team> {
    const id = `${resolved.definition.name}@${entry.digest.slice(0, 12)}/${randomBytes(4).toString('hex')}`;
    const startedAt = performance.now();
    const team = this.#options.open(resolved, id).then(
      (opened) => {
        this.#counts.opens += 1;
        this.#counts.openMs += performance.now() - startedAt;
        this.#logOpened(opened, Math.round(performance.now() - startedAt));
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
    this.#private.removeIdle(before);
    this.#forgetClosed();
    if (performance.now() - this.#loggedAt >= (this.#options.statsMs ?? STATS_MS)) this.#logStats();
  }

  /** Sessions that were used since the last look are open. */
  #forgetClosed(): void {
    const { findOpenSessions, log } = this.#options;
    if (!findOpenSessions) return;
    this.#private
      .forgetClosed(performance.now() - this.#sweepMs, findOpenSessions)
      .catch((err: unknown) => log.warn({ err }, 'it is not known which sessions have closed'));
  }

  #evictEntry(entry: SharedEntry): void {
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
      this.#private.remove(entry);
      return Promise.resolve(0);
    }
    if (!this.#retired.has(entry)) {
      this.#entries.delete(entry.digest);
      this.#private.removeOf(entry.digest);
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
      this.#counts.closes += 1;
      return true;
    } catch (err) {
      this.#counts.closeFailures += 1;
      this.#options.log.warn({ err, instance: id }, 'agent team did not close');
      return false;
    }
  }

  /** At `info` once for each digest, however many instances there are. */
  #logOpened({ id, digest, definition }: Team, ms: number): void {
    const level = this.#announced.has(digest) ? 'debug' : 'info';
    this.#announced.set(digest, true);
    const agents = Object.keys(definition.agents).length;
    const facts = { team: definition.name, digest: digest.slice(0, 12), instance: id, agents, ms };
    this.#options.log[level](facts, 'agent team initialised');
  }

  #logStats(): void {
    const stats = this.stats();
    const { memoryBytes: _, memoryPerSessionBytes: _perSession, ...comparable } = stats;
    if (JSON.stringify(comparable) === this.#loggedStats) return;
    this.#loggedStats = JSON.stringify(comparable);
    this.#loggedAt = performance.now();
    this.#options.log.info(stats, 'agent cache statistics');
  }
}
