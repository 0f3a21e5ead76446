/** `copilot agents` and `copilot stats`: the agents that the workers on this machine have open, and their use. */
import { closeAgents, readAgents, readStats, type WorkerAnswers } from '../../connection/worker-sockets.ts';
import { loadConfig } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { CacheStats, type CacheEntry, type WorkerClosed, type WorkerStats } from '../../contracts/worker-report.ts';
import type { CommonFlags } from '../connected.ts';
import { table } from '../table.ts';
import { printResult, remark } from '../terminal.ts';

export interface CloseFlags extends CommonFlags {
  readonly all?: boolean;
  readonly force?: boolean;
}

/** Digits of a digest that are shown to people. */
const DIGEST_DIGITS = 12;
const MIB = 1024 * 1024;

export async function runAgentsList({ json }: CommonFlags): Promise<void> {
  const answers = await readAgents(loadConfig().homeDir);
  tellSilent(answers);
  printResult(json, answers, () => {
    const rows = answers.workers.flatMap(({ identity, entries }) => entries.map((entry) => entryRow(identity, entry)));
    if (rows.length > 0) return table(['WORKER', 'KEY', 'INSTANCES', 'IN USE', 'IDLE', 'STATE'], rows);
    return answers.workers.length === 0 ? noWorkers() : 'No agents are open.';
  });
}

function entryRow(identity: string, entry: CacheEntry): string[] {
  const idle = `${Math.round(entry.idleMs / 1_000)} s`;
  if (entry.kind === 'private') return [identity, entry.key, '-', '-', idle, entry.name];
  const key = entry.key.replace(/@.*$/, (digest) => digest.slice(0, 1 + DIGEST_DIGITS));
  const state = entry.isClosing ? 'closes when free' : 'open';
  return [identity, key, String(entry.instances.length), String(entry.leases), idle, state];
}

/** @throws CopilotError `InvalidInput` if no worker has such an entry */
export async function runAgentsClose(key: string | undefined, { json, all, force }: CloseFlags): Promise<void> {
  if ((key === undefined) === (all === undefined)) {
    throw new CopilotError('InvalidInput', { what: 'agents close', problem: 'pass a key or --all' });
  }
  const selection = key === undefined ? { all: true as const } : { key };
  const answers = await closeAgents(loadConfig().homeDir, { ...selection, ...(force ? { force } : {}) });
  tellSilent(answers);
  const { workers } = answers;
  if (key !== undefined && workers.every(({ closed, waiting }) => closed.length + waiting.length === 0)) {
    throw new CopilotError('InvalidInput', {
      what: `The key "${key}"`,
      problem: `no worker on this machine has it open; \`copilot agents list\` shows the open ones`,
    });
  }
  printResult(json, answers, () => (workers.length === 0 ? noWorkers() : workers.flatMap(closedLines).join('\n')));
  if (workers.some(({ failures }) => failures > 0)) process.exitCode = 1;
}

function closedLines({ identity, closed, waiting, failures }: WorkerClosed): string[] {
  const lines = [
    ...closed.map((key) => `${key} is closed`),
    ...waiting.map((key) => `${key} is in use and will be closed when it is free; --force closes it now`),
    ...(failures === 0 ? [] : [`${failures} instances failed to close: see the worker's log`]),
  ];
  return (lines.length === 0 ? ['nothing was open'] : lines).map((line) => `${identity}: ${line}`);
}

export async function runStats({ json }: CommonFlags): Promise<void> {
  const answers = await readStats(loadConfig().homeDir);
  tellSilent(answers);
  const total = sum(answers.workers);
  printResult(json, { ...answers, total }, () =>
    answers.workers.length === 0 ? noWorkers() : statsText(answers.workers, total),
  );
}

/** The sum over all workers. A session that moved between workers counts on both. */
function sum(workers: readonly WorkerStats[]): CacheStats {
  const add = (value: (stats: CacheStats) => number): number =>
    workers.reduce((total, { agents }) => total + value(agents), 0);
  const names = Object.keys(CacheStats.shape) as (keyof CacheStats)[]; // its own keys
  const sums = Object.fromEntries(names.map((name) => [name, add((stats) => stats[name])]));
  const { opens = 0, calls = 0, sessions = 0 } = sums;
  const grownBytes = add((stats) => stats.memoryPerSessionBytes * stats.sessions);
  const perOpen = (value: number): number => (opens === 0 ? 0 : value / opens);
  return CacheStats.parse({
    ...sums,
    meanOpenMs: Math.round(perOpen(add((stats) => stats.meanOpenMs * stats.opens))),
    reusePerInstance: Math.round(perOpen(calls) * 10) / 10,
    memoryPerSessionBytes: Math.round(grownBytes / Math.max(1, sessions)),
  });
}

function statsText(workers: readonly WorkerStats[], total: CacheStats): string {
  const columns = [...workers.map(({ agents }) => agents), ...(workers.length === 1 ? [] : [total])];
  const headings = [...workers.map(({ identity }) => identity), ...(workers.length === 1 ? [] : ['ALL'])];
  return table(
    ['', ...headings],
    STATS.map(([name, show]) => [name, ...columns.map((stats) => String(show(stats)))]),
  );
}

const STATS: readonly (readonly [string, (stats: CacheStats) => string | number])[] = [
  ['sessions', (stats) => stats.sessions],
  ['messages', (stats) => stats.messages],
  ['calls', (stats) => stats.calls],
  ['pool size', (stats) => stats.poolSize],
  ['instances', (stats) => stats.instances],
  ['sessions with overrides', (stats) => stats.sessionsWithOverrides],
  ['private agents', (stats) => stats.privateAgents],
  ['opens', (stats) => stats.opens],
  ['failed opens', (stats) => stats.failedOpens],
  ['mean open', (stats) => `${stats.meanOpenMs} ms`],
  ['reuse per instance', (stats) => stats.reusePerInstance],
  ['hits', (stats) => stats.hits],
  ['misses', (stats) => stats.misses],
  ['evictions', (stats) => stats.evictions],
  ['closes', (stats) => stats.closes],
  ['close failures', (stats) => stats.closeFailures],
  ['memory', (stats) => `${Math.round(stats.memoryBytes / MIB)} MiB`],
  ['memory per session', (stats) => `${(stats.memoryPerSessionBytes / MIB).toFixed(1)} MiB`],
];

function tellSilent({ silent }: WorkerAnswers<unknown>): void {
  for (const { socket, problem } of silent) remark(`no answer from ${socket}: ${problem}`);
}

function noWorkers(): string {
  return 'No worker of this home folder is running on this machine.';
}
