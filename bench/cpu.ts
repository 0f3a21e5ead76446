/** [P02] CPU time of a turn by process, and turns a second, with many sessions at work; the raw SDK beside it. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
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
  const measured = await measureTurns(world, { sessions: 40, turns: 8, rounds: 5 });
  for (const row of Object.values(measured)) console.log(lineOf(row));
}

export async function measureTurns(
  { server, copilot, raw, worker, rawPid }: BenchWorld,
  { sessions: count, turns, rounds }: Load,
): Promise<Record<keyof Spent, Measured>> {
  const serverPid = (await readRecord(server.homeDir))?.pid ?? 0;
  const measure = async <One>(workerPid: number, all: readonly One[], turn: (one: One) => Promise<unknown>) => {
    const pids = [serverPid, workerPid, process.pid];
    const before = pids.map(cpuMs);
    const ms = await timed(() => eachTurn(all, turns, turn));
    const [server = 0, worker = 0, client = 0] = pids.map(
      (pid, index) => (cpuMs(pid) - (before[index] ?? 0)) / (count * turns),
    );
    return { server, worker, client, rate: (1_000 * count * turns) / ms };
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
  const row = (what: string, figure: keyof Spent, unit: string, target: Measured['target']): Measured => ({
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
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return TICK_MS * (Number(fields[11]) + Number(fields[12]));
}

/** Resident memory of a process. */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}
