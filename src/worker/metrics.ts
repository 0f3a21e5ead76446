/** Metrics of a worker for Prometheus. The compiler sees to it that no statistic is forgotten. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { Metrics } from '../operator-port.ts';
import type { CallMetrics } from './call-metrics.ts';
import type { CacheStats, TranscriptStats, WorkerStats } from '../contracts/worker-report.ts';

interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** How many of the statistic's unit make one of the metric's. Default 1. */
  readonly divisor?: number;
}

const counter = (name: string, help: string): Metric => ({ name, type: 'counter', help });
const gauge = (name: string, help: string, divisor = 1): Metric => ({ name, type: 'gauge', help, divisor });

const AGENT_METRICS: Readonly<Record<keyof CacheStats, Metric>> = {
  sessions: counter('copilot_agent_sessions_total', 'Sessions that used a team on this worker.'),
  messages: counter('copilot_agent_messages_total', 'Messages of people that agents worked on.'),
  calls: counter('copilot_agent_calls_total', 'Calls of agents.'),
  poolSize: gauge('copilot_agent_pool_size', 'Most instances of a team, AGENT_POOL_SIZE.'),
  sessionsWithOverrides: gauge('copilot_agent_sessions_with_overrides', 'Open sessions that override agents.'),
  privateAgents: gauge('copilot_agent_private_agents', 'Private agents of sessions.'),
  instances: gauge('copilot_agent_instances', 'Open team instances.'),
  opens: counter('copilot_agent_opens_total', 'Team instances opened.'),
  failedOpens: counter('copilot_agent_failed_opens_total', 'Team instances that failed to open.'),
  meanOpenMs: gauge('copilot_agent_open_mean_seconds', 'Mean time to open a team instance.', 1_000),
  reusePerInstance: gauge('copilot_agent_reuse_per_instance', 'Calls of agents for each opened instance.'),
  hits: counter('copilot_agent_hits_total', 'Uses of a team that found their instance open.'),
  misses: counter('copilot_agent_misses_total', 'Uses of a team that had to open it.'),
  evictions: counter(
    'copilot_agent_evictions_total',
    'Teams closed since the cache was full or they were idle, and entries closed by hand.',
  ),
  closes: counter('copilot_agent_closes_total', 'Team instances closed.'),
  closeFailures: counter('copilot_agent_close_failures_total', 'Team instances that failed to close.'),
  memoryBytes: gauge('process_resident_memory_bytes', 'Resident memory of the process.'),
  memoryPerSessionBytes: gauge('copilot_agent_memory_per_session_bytes', 'Growth of that memory for each session.'),
};

const TRANSCRIPT_METRICS: Readonly<Record<keyof TranscriptStats, Metric>> = {
  hits: counter('copilot_transcript_hits_total', 'Conversations read from the copy of this worker.'),
  refills: counter('copilot_transcript_refills_total', 'Conversations whose copy was filled up by the session.'),
  misses: counter('copilot_transcript_misses_total', 'Conversations read from the session as a whole.'),
  entries: gauge('copilot_transcript_copies', 'Copies of conversations.'),
  bytes: gauge('copilot_transcript_bytes', 'Rough size of the copies.'),
};

/** In Prometheus' text format. */
export async function writeMetrics(stats: WorkerStats, calls: CallMetrics): Promise<Metrics> {
  // The statistics count by themselves, so that each call has a registry of its own.
  const registry = new Registry();
  const registers = [registry];
  const { identity, taskQueue, startedAt, agents, transcripts } = stats;
  const worker = {
    name: 'copilot_worker_info',
    help: 'The worker of these metrics.',
    labelNames: ['worker', 'task_queue'],
  };
  new Gauge({ ...worker, registers }).set({ worker: identity, task_queue: taskQueue }, 1);
  const started = gauge('process_start_time_seconds', 'When the worker started, in Unix time.', 1_000);
  add(started, Date.parse(startedAt));
  for (const [name, metric] of entriesOf(AGENT_METRICS)) add(metric, agents[name]);
  for (const [name, metric] of entriesOf(TRANSCRIPT_METRICS)) add(metric, transcripts[name]);
  return { contentType: registry.contentType, text: (await registry.metrics()) + (await calls.registry.metrics()) };

  function add({ name, type, help, divisor = 1 }: Metric, value: number): void {
    if (type === 'counter') new Counter({ name, help, registers }).inc(value / divisor);
    else new Gauge({ name, help, registers }).set(value / divisor);
  }
}

function entriesOf<K extends string>(metrics: Readonly<Record<K, Metric>>): [K, Metric][] {
  return Object.entries(metrics) as [K, Metric][]; // `Object.entries` widens the keys
}
