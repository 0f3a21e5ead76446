/** [P02] CPU time of a turn by process, and turns a second, with many sessions at work; the raw SDK beside it. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readRecord } from '../src/connection/address/home-server.ts';
import { RAW_QUEUE } from './raw/queue.ts';
import { rawSession, send, stop } from './raw/workflow.ts';
import { type BenchWorld, median, MESSAGE, timed } from './world.ts';

const SESSIONS = 40;
const TURNS = 8;
const ROUNDS = 5;
/** Unit of the times in `/proc/<pid>/stat`. */
const TICK_MS = 10;

interface Spent {
  readonly server: number;
  readonly worker: number;
  readonly client: number;
  /** Turns a second. */
  readonly rate: number;
}

/** Linux only. */
export async function cpu({ server, copilot, raw, worker, rawPid }: BenchWorld): Promise<void> {
  const serverPid = (await readRecord(server.homeDir))?.pid ?? 0;
  const measured = async (workerPid: number, work: () => Promise<unknown>): Promise<Spent> => {
    const before = [serverPid, workerPid, process.pid].map(cpuMs);
    const ms = await timed(work);
    const [server = 0, worker = 0, client = 0] = [serverPid, workerPid, process.pid].map(
      (pid, index) => (cpuMs(pid) - (before[index] ?? 0)) / (SESSIONS * TURNS),
    );
    return { server, worker, client, rate: (1_000 * SESSIONS * TURNS) / ms };
  };
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => copilot.create({ mode: 'one-shot' })));
  const bare = await Promise.all(
    Array.from({ length: SESSIONS }, () =>
      raw.workflow.start(rawSession, { workflowId: `raw-${randomUUID()}`, taskQueue: RAW_QUEUE }),
    ),
  );
  const own: Spent[] = [];
  const other: Spent[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const one = await measured(worker.pid, () => eachTurn(sessions, (session) => session.send(MESSAGE)));
    const two = await measured(rawPid, () =>
      eachTurn(bare, (handle) => handle.executeUpdate(send, { args: [MESSAGE] })),
    );
    // The first round warms up.
    if (round > 0) [own, other].forEach((all, index) => all.push(index === 0 ? one : two));
  }
  await Promise.all(bare.map((handle) => handle.signal(stop)));
  for (const [name, aim] of [
    ['worker', 1.3],
    ['server', 1.15],
    ['client', undefined],
    ['rate', 0.8],
  ] as const) {
    const [a, b] = [own, other].map((all) => median(all.map((spent) => spent[name])));
    const unit = name === 'rate' ? 'turns a second' : `ms of CPU a turn, ${name}`;
    const ratio = ((a ?? 0) / (b ?? 1)).toFixed(2);
    console.log(
      `${unit.padEnd(30)} product ${a?.toFixed(1)}   raw ${b?.toFixed(1)}   ratio${aim ? ` (aim ${aim})` : ''} ${ratio}`,
    );
  }
}

async function eachTurn<One>(all: readonly One[], turn: (one: One) => Promise<unknown>): Promise<void> {
  await Promise.all(
    all.map(async (one) => {
      for (let n = 0; n < TURNS; n++) await turn(one);
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
