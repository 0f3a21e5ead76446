/** [P02] CPU time of a turn by process, and turns a second, with many sessions at work; the raw SDK beside it. */
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readRecord } from '../src/connection/address/home-server.ts';
import { lineOf, type Measured, medians } from './measured.ts';
import { RAW_QUEUE } from './raw/queue.ts';
import { rawSession, send, stop } from './raw/workflow.ts';
import { type BenchWorld, MESSAGE, timed } from './world.ts';

/** Unit of the times in `/proc/<pid>/stat`. */
const TICK_MS = 10;

interface Spent {
  readonly server: number;
  readonly worker: number;
  readonly client: number;
  /** Turns a second. */
  readonly rate: number;
  readonly threads: Readonly<Record<Thread, number>>;
}

/** What threads of a worker do, by the names that the system has for them. */
const THREADS = {
  'Node, SDK and activities': /^MainThread$/,
  'workflow code': /^WorkerThread$/,
  "Temporal's core": /^(tokio|temporal|workflow)-/,
  "V8's own: garbage, compiling": /^V8Worker$/,
  others: /^(?!MainThread|WorkerThread|tokio-|temporal-|workflow-|V8Worker)/,
};
type Thread = keyof typeof THREADS;
const THREAD_NAMES = Object.keys(THREADS) as Thread[];

export interface MeasuredTurns extends Readonly<Record<'worker' | 'server' | 'client' | 'rate', Measured>> {
  readonly threads: readonly { readonly thread: Thread; readonly product: number; readonly raw: number }[];
}

export interface Load {
  readonly sessions: number;
  /** Turns of each session in a round. */
  readonly turns: number;
  /** Rounds that count. One before them warms up. */
  readonly rounds: number;
}

/** Linux only. */
export async function cpu(world: BenchWorld): Promise<void> {
  const { threads, ...measured } = await measureTurns(world, { sessions: 40, turns: 18, rounds: 5 });
  for (const row of Object.values(measured)) console.log(lineOf(row));
  console.log('\nCPU of the worker a turn by thread, ms:');
  for (const { thread, product, raw } of threads) {
    console.log(`  ${thread.padEnd(42)} product ${product.toFixed(1)}   raw ${raw.toFixed(1)}`);
  }
}

export async function measureTurns(
  { server, copilot, raw, worker, rawPid }: BenchWorld,
  { sessions: count, turns, rounds }: Load,
): Promise<MeasuredTurns> {
  const serverPid = (await readRecord(server.homeDir))?.pid ?? 0;
  const measure = async <One>(workerPid: number, all: readonly One[], turn: (one: One) => Promise<unknown>) => {
    const pids = [serverPid, workerPid, process.pid];
    const before = pids.map(cpuMs);
    const threadsBefore = threadsMs(workerPid);
    const ms = await timed(() => eachTurn(all, turns, turn));
    const [server = 0, worker = 0, client = 0] = pids.map(
      (pid, index) => (cpuMs(pid) - (before[index] ?? 0)) / (count * turns),
    );
    const threadsAfter = threadsMs(workerPid);
    const threads = ofThreads((thread) => (threadsAfter[thread] - threadsBefore[thread]) / (count * turns));
    return { server, worker, client, rate: (1_000 * count * turns) / ms, threads };
  };
  const sessions = await Promise.all(Array.from({ length: count }, () => copilot.create({ mode: 'one-shot' })));
  const bare = await Promise.all(
    Array.from({ length: count }, () =>
      raw.workflow.start(rawSession, { workflowId: `raw-${randomUUID()}`, taskQueue: RAW_QUEUE }),
    ),
  );
  const spent: (readonly [own: Spent, raw: Spent])[] = [];
  for (let round = 0; round <= rounds; round++) {
    const own = await measure(worker.pid, sessions, (session) => session.send(MESSAGE));
    const other = await measure(rawPid, bare, (handle) => handle.executeUpdate(send, { args: [MESSAGE] }));
    if (round > 0) spent.push([own, other]);
  }
  await Promise.all(bare.map((handle) => handle.signal(stop)));
  const row = (
    what: string,
    figure: Exclude<keyof Spent, 'threads'>,
    unit: string,
    target: Measured['target'],
  ): Measured => ({
    ...medians(spent, (figures) => figures[figure]),
    what,
    unit,
    target,
  });
  return {
    worker: row('CPU of the worker a turn', 'worker', 'ms', { of: 'ratio', atMost: 1.3 }),
    server: row('CPU of the server a turn', 'server', 'ms', { of: 'ratio', atMost: 1.15 }),
    client: row('CPU of the client a turn', 'client', 'ms', { of: 'ratio', atMost: 2 }),
    rate: row(`turns a second, ${count} sessions`, 'rate', '', { of: 'ratio', atLeast: 0.8 }),
    threads: THREAD_NAMES.map((thread) => ({ thread, ...medians(spent, ({ threads }) => threads[thread]) })),
  };
}

async function eachTurn<One>(all: readonly One[], turns: number, turn: (one: One) => Promise<unknown>): Promise<void> {
  await Promise.all(
    all.map(async (one) => {
      for (let n = 0; n < turns; n++) await turn(one);
    }),
  );
}

/** User and system time of a process and its threads. */
export function cpuMs(pid: number): number {
  return spentMs(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

function ofThreads(ms: (thread: Thread) => number): Record<Thread, number> {
  return Object.fromEntries(THREAD_NAMES.map((thread) => [thread, ms(thread)])) as Record<Thread, number>;
}

function threadsMs(pid: number): Record<Thread, number> {
  const all = readdirSync(`/proc/${pid}/task`).map((id) => {
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8');
    return { name: /\((.*)\)/.exec(stat)?.[1] ?? '', ms: spentMs(stat) };
  });
  return ofThreads((thread) => all.reduce((sum, { name, ms }) => sum + (THREADS[thread].test(name) ? ms : 0), 0));
}

/** User and system time of a process or a thread, from its `stat`. */
function spentMs(stat: string): number {
  const fields = stat.split(') ')[1]?.split(' ') ?? [];
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

/** Resident memory of a process. */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
