/**
 * Metrics of a worker in Prometheus' text format, version 0.0.4. Written by hand: a line for each statistic,
 * and the compiler sees to it that none is forgotten.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { CacheStats, TranscriptStats, WorkerStats } from '../contracts/worker-report.ts';

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** How many of the statistic's unit are one of the metric's. Default 1. */
  readonly divisor?: number;
}

const counter = (name: string, help: string): Metric => ({ name, type: 'counter', help });
const gauge = (name: string, help: string, divisor = 1): Metric => ({ name, type: 'gauge', help, divisor });

const AGENT_METRICS: Readonly<Record<keyof CacheStats, Metric>> = {
  sessions: counter('copilot_agent_sessions_total', 'Sessions that used a team on this worker.'),
  messages: counter('copilot_agent_messages_total', 'Messages given to agents.'),
  poolSize: gauge('copilot_agent_pool_size', 'Most instances of a team, AGENT_POOL_SIZE.'),
  sessionsWithOverrides: gauge('copilot_agent_sessions_with_overrides', 'Sessions with a private agent.'),
  privateAgents: gauge('copilot_agent_private_agents', 'Private agents of sessions.'),
  instances: gauge('copilot_agent_instances', 'Open team instances.'),
  opens: counter('copilot_agent_opens_total', 'Team instances opened.'),
  failedOpens: counter('copilot_agent_failed_opens_total', 'Team instances that failed to open.'),
  meanOpenMs: gauge('copilot_agent_open_mean_seconds', 'Mean time to open a team instance.', 1_000),
  reusePerInstance: gauge('copilot_agent_reuse_per_instance', 'Messages for each opened instance.'),
  hits: counter('copilot_agent_hits_total', 'Messages that found their instance open.'),
  misses: counter('copilot_agent_misses_total', 'Messages that had to open it.'),
  evictions: counter('copilot_agent_evictions_total', 'Entries closed for want of room or use, or by hand.'),
  closeFailures: counter('copilot_agent_close_failures_total', 'Team instances that failed to close.'),
  memoryBytes: gauge('process_resident_memory_bytes', 'Resident memory of the process.'),
};

const TRANSCRIPT_METRICS: Readonly<Record<keyof TranscriptStats, Metric>> = {
  hits: counter('copilot_transcript_hits_total', 'Conversations read from the copy of this worker.'),
  refills: counter('copilot_transcript_refills_total', 'Conversations whose copy was filled up by the session.'),
  misses: counter('copilot_transcript_misses_total', 'Conversations read from the session as a whole.'),
  entries: gauge('copilot_transcript_copies', 'Copies of conversations.'),
  bytes: gauge('copilot_transcript_bytes', 'Rough size of the copies.'),
};

export function metricsText({ identity, taskQueue, startedAt, agents, transcripts }: WorkerStats): string {
  const labels = `worker="${escape(identity)}",task_queue="${escape(taskQueue)}"`;
  return [
    ...lines(gauge(`copilot_worker_info{${labels}}`, 'The worker of these metrics.'), 1),
    ...lines(
      gauge('process_start_time_seconds', 'When the worker started, in Unix time.'),
      Date.parse(startedAt) / 1_000,
    ),
    ...all(AGENT_METRICS, agents),
    ...all(TRANSCRIPT_METRICS, transcripts),
    '',
  ].join('\n');
}

function all<K extends string>(metrics: Readonly<Record<K, Metric>>, values: Readonly<Record<K, number>>): string[] {
  return Object.entries<Metric>(metrics).flatMap(
    ([key, metric]) => lines(metric, values[key as K]), // a key of `metrics`
  );
}

function lines({ name, type, help, divisor = 1 }: Metric, value: number): string[] {
  const family = name.replace(/\{.*$/, '');
  return [`# HELP ${family} ${help}`, `# TYPE ${family} ${type}`, `${name} ${value / divisor}`];
}

function escape(label: string): string {
  return label.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
