/**
 * What a worker tells of itself, and what it can be told: the words between `worker/admin.ts`, which
 * answers, and `client/workers.ts`, which asks. A file of its own, since the client side knows nothing of agents.
 */
import { z } from 'zod';
import { AgentOverride } from './team.ts';

const Count = z.int().min(0);

/** Statistics of the agent cache, counted since the worker started unless the field says otherwise. */
export const CacheStats = z.object({
  /** Sessions that used a team here. */
  sessions: Count,
  /** Leases given: each is one message for an agent to answer. */
  messages: Count,
  poolSize: Count,
  /** Sessions that have a private agent now. */
  sessionsWithOverrides: Count,
  /** Private agents now. */
  privateAgents: Count,
  /** Team instances open, or about to be, now. */
  instances: Count,
  opens: Count,
  failedOpens: Count,
  /** Milliseconds, rounded. */
  meanOpenMs: Count,
  /** Leases per opened instance, to one decimal. */
  reusePerInstance: z.number().min(0),
  /** Leases that found their instance. */
  hits: Count,
  /** Leases that had to open it. */
  misses: Count,
  /** Entries that were closed for want of room or use, or by hand. */
  evictions: Count,
  /** Instances that failed to close, or did not in time. */
  closeFailures: Count,
  /** Resident memory of the worker's process now. */
  memoryBytes: Count,
});
export type CacheStats = z.infer<typeof CacheStats>;

/** Statistics of the worker's copies of conversations. */
export const TranscriptStats = z.object({
  /** Reads answered from the copy. */
  hits: Count,
  /** Reads for which the session gave the messages that the copy lacked. */
  refills: Count,
  /** Reads for which the session gave everything. */
  misses: Count,
  /** Copies now. */
  entries: Count,
  /** Rough size of the copies now. */
  bytes: Count,
});
export type TranscriptStats = z.infer<typeof TranscriptStats>;

/** One entry of the agent cache. `idleMs`: milliseconds since its last use. */
export const CacheEntry = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('shared'),
    /** `team@digest`. */
    key: z.string(),
    /** Calls that use it now. */
    leases: Count,
    /** Ids of its team instances. */
    instances: z.array(z.string()),
    /** Taken off the cache while in use: it is closed when the last of its leases ends. */
    isClosing: z.boolean(),
    idleMs: Count,
  }),
  z.object({
    kind: z.literal('private'),
    /** `agentId#sessionId`. */
    key: z.string(),
    /** `<name> (Session: <first 8 characters of the session's id>)`. */
    name: z.string(),
    metadata: z.object({
      session_id: z.string(),
      base_agent_id: z.string(),
      created_for_session: z.literal(true),
      team: z.string(),
      digest: z.string(),
      configuration: AgentOverride,
    }),
    idleMs: Count,
  }),
]);
export type CacheEntry = z.infer<typeof CacheEntry>;

const Worker = z.object({
  /** As the Temporal server knows it. */
  identity: z.string(),
  pid: Count,
});

/** Answer of `GET /stats`. */
export const WorkerStats = Worker.extend({
  taskQueue: z.string(),
  /** ISO 8601. */
  startedAt: z.string(),
  agents: CacheStats,
  transcripts: TranscriptStats,
});
export type WorkerStats = z.infer<typeof WorkerStats>;

/** Answer of `GET /agents`. */
export const WorkerAgents = Worker.extend({ entries: z.array(CacheEntry) });
export type WorkerAgents = z.infer<typeof WorkerAgents>;

const Text = z.string().min(1).max(1_000);

/** Body of `POST /agents/close`: which entries of the agent cache, and how. */
export const CloseRequest = z
  .strictObject({
    /** As listed; of a digest, its first 8 characters or more are enough. */
    key: Text.optional(),
    /** The team of this digest with its private agents; its first 8 characters or more are enough. */
    digest: Text.min(8).optional(),
    /** The private agents of this session. */
    session: Text.optional(),
    all: z.literal(true).optional(),
    /** Closes at once what is in use; the calls that use it fail, and are made again. Default false. */
    force: z.boolean().optional(),
  })
  .refine(
    ({ force: _, ...selection }) => Object.values(selection).filter((value) => value !== undefined).length === 1,
    { error: 'give one of key, digest, session and all' },
  );
export type CloseRequest = z.infer<typeof CloseRequest>;

/** What was done with the selected entries, by their keys. */
export const CloseReport = z.object({
  closed: z.array(z.string()),
  /** In use: off the cache, and closed when their leases end. */
  waiting: z.array(z.string()),
  /** Instances that failed to close; the worker's log has the reasons. */
  failures: Count,
});
export type CloseReport = z.infer<typeof CloseReport>;

/** Answer of `POST /agents/close`. */
export const WorkerClosed = Worker.extend(CloseReport.shape);
export type WorkerClosed = z.infer<typeof WorkerClosed>;
