/** What a worker tells of itself, and what it can be told to do. `worker/admin.ts` answers these requests. */
import { z } from 'zod';
import { AgentOverride } from './team.ts';

const Count = z.int().min(0);

/** Statistics of the agent cache, counted since the worker started unless a field says otherwise. */
export const CacheStats = z.object({
  /** Sessions that used a team here. */
  sessions: Count,
  /** Messages of people that agents worked on here. */
  messages: Count,
  /** Calls of agents. */
  calls: Count,
  poolSize: Count,
  /** Open sessions that override agents. */
  sessionsWithOverrides: Count,
  /** Private agents now. */
  privateAgents: Count,
  /** Team instances open, or about to be, now. */
  instances: Count,
  opens: Count,
  failedOpens: Count,
  /** Milliseconds, rounded. */
  meanOpenMs: Count,
  /** Calls of agents per opened instance, to one decimal. */
  reusePerInstance: z.number().min(0),
  /** Leases that found their instance. */
  hits: Count,
  /** Leases that had to open it. */
  misses: Count,
  /** Teams closed since the cache was full or since they were idle, and entries closed by hand. */
  evictions: Count,
  /** Instances closed. */
  closes: Count,
  /** Instances that failed to close, or not in time. */
  closeFailures: Count,
  /** Resident memory of the worker's process now. */
  memoryBytes: Count,
  /** By how much that has grown since the worker started, for each of `sessions`. */
  memoryPerSessionBytes: Count,
});
export type CacheStats = z.infer<typeof CacheStats>;

/** Statistics of the worker's copies of conversations. */
export const TranscriptStats = z.object({
  /** Reads answered from the copy. */
  hits: Count,
  /** Reads for which the session sent the messages that the copy lacked. */
  refills: Count,
  /** Reads for which the session sent all messages. */
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
    /** No longer in the cache but still in use. It closes when its last lease ends. */
    isClosing: z.boolean(),
    idleMs: Count,
  }),
  z.object({
    kind: z.literal('private'),
    /** `agentId#sessionId`. */
    key: z.string(),
    /** `<name> (Session: <last 8 characters of the session's id>)`. */
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
    /** As listed. 8 or more characters of a digest are enough. */
    key: Text.optional(),
    /** The team of this digest with its private agents. 8 or more characters are enough. */
    digest: Text.min(8).optional(),
    /** The private agents of this session. */
    session: Text.optional(),
    all: z.literal(true).optional(),
    /** Also closes entries in use at once. The calls that use them fail and are retried. Default false. */
    force: z.boolean().optional(),
  })
  .refine(
    ({ force: _, ...selection }) => Object.values(selection).filter((value) => value !== undefined).length === 1,
    { error: 'give one of key, digest, session and all' },
  );
export type CloseRequest = z.infer<typeof CloseRequest>;

/** What became of the selected entries, by their keys. */
export const CloseReport = z.object({
  closed: z.array(z.string()),
  /** In use: no longer in the cache, and closed when their leases end. */
  waiting: z.array(z.string()),
  /** Instances that failed to close. The worker's log has the reasons. */
  failures: Count,
});
export type CloseReport = z.infer<typeof CloseReport>;

/** Answer of `POST /agents/close`. */
export const WorkerClosed = Worker.extend(CloseReport.shape);
export type WorkerClosed = z.infer<typeof WorkerClosed>;
