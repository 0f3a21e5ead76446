/** What the agent cache tells of itself: in logs, metrics and the CLI. */
import type { PrivateAgentFacts } from './private-agent.ts';

/** Counted since the worker started, unless the field says otherwise. */
export interface CacheStats {
  /** Sessions that used a team here. */
  readonly sessions: number;
  /** Leases given: each is one message for an agent to answer. */
  readonly messages: number;
  readonly poolSize: number;
  /** Sessions that have a private agent now. */
  readonly sessionsWithOverrides: number;
  /** Private agents now. */
  readonly privateAgents: number;
  /** Team instances open, or about to be, now. */
  readonly instances: number;
  readonly opens: number;
  readonly failedOpens: number;
  /** Milliseconds, rounded. */
  readonly meanOpenMs: number;
  /** Leases per opened instance, to one decimal. */
  readonly reusePerInstance: number;
  /** Leases that found their instance. */
  readonly hits: number;
  /** Leases that had to open it. */
  readonly misses: number;
  /** Entries that were closed for want of room or use. */
  readonly evictions: number;
  readonly closeFailures: number;
  /** Resident memory of the worker's process now. */
  readonly memoryBytes: number;
}

export type CacheEntry =
  | ({ readonly kind: 'private'; readonly key: string } & PrivateAgentFacts)
  | { readonly kind: 'shared'; readonly key: string; readonly leases: number; readonly instances: number };
