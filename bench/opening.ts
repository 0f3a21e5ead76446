/** [P03] What new sessions cost: creations a second, and CPU and memory of the worker for each; the raw SDK beside it. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs } from './cpu.ts';
import { lineOf, type Measured } from './measured.ts';
import { RAW_QUEUE } from './raw/queue.ts';
import { rawSession } from './raw/workflow.ts';
import { type BenchWorld, median, timed } from './world.ts';

const SESSIONS = 120;
/** Creations in flight at a time. */
const CALLERS = 20;
const ROUNDS = 5;
const QUIET_MS = 250;

interface Opened {
  /** Creations a second. */
  readonly rate: number;
  /** CPU of the worker for a session, until it is idle again. */
  readonly cpuMs: number;
  /** By how much the memory of the worker grew for a session, without garbage. */
  readonly rssKb: number;
}

/** Linux only. */
export async function opening(world: BenchWorld): Promise<void> {
  for (const measured of await measureOpening(world)) console.log(lineOf(measured));
}

export async function measureOpening(world: BenchWorld): Promise<Measured[]> {
  // Memory grows most while a worker is young.
  await world.restartWorkers();
  const { copilot, raw, worker, rawPid } = world;
  const own: Opened[] = [];
  const other: Opened[] = [];
  // The first round warms up.
  for (let round = 0; round <= ROUNDS; round++) {
    const one = await openMany(worker.pid, () => copilot.create({ mode: 'one-shot' }));
    const two = await openMany(rawPid, () =>
      raw.workflow.start(rawSession, { workflowId: `raw-${randomUUID()}`, taskQueue: RAW_QUEUE }),
    );
    if (round > 0) [own, other].forEach((all, index) => all.push(index === 0 ? one : two));
  }
  const row = (what: string, value: keyof Opened, unit: string, target: Measured['target']): Measured => {
    const [product = 0, bare = 0] = [own, other].map((all) =>
      middle(
        value,
        all.map((opened) => opened[value]),
      ),
    );
    return { what, product, raw: bare, unit, target };
  };
  return [
    row('sessions created a second', 'rate', '', { of: 'ratio', atLeast: 0.7 }),
    row('CPU of the worker to open a session', 'cpuMs', 'ms', { of: 'product', atMost: 10 }),
    row('memory of the worker for a session', 'rssKb', 'KB', { of: 'ratio', atMost: 2 }),
  ];
}

/** Memory is taken in large pieces, so only the whole counts. */
function middle(value: keyof Opened, all: readonly number[]): number {
  return value === 'rssKb' ? all.reduce((sum, one) => sum + one, 0) / all.length : median(all);
}

async function openMany(pid: number, create: () => Promise<unknown>): Promise<Opened> {
  const before = { cpu: cpuMs(pid), rss: rssKb(pid) };
  let left = SESSIONS;
  const caller = async (): Promise<void> => {
    while (left-- > 0) await create();
  };
  const ms = await timed(() => Promise.all(Array.from({ length: CALLERS }, caller)));
  await untilQuiet(pid);
  const cpu = cpuMs(pid);
  process.kill(pid, 'SIGUSR2');
  await untilQuiet(pid);
  return {
    rate: (1_000 * SESSIONS) / ms,
    cpuMs: (cpu - before.cpu) / SESSIONS,
    rssKb: (rssKb(pid) - before.rss) / SESSIONS,
  };
}

/** Waits until a process takes next to no CPU time: the sessions that were created are open. */
async function untilQuiet(pid: number): Promise<void> {
  for (let last = Number.NEGATIVE_INFINITY, now = cpuMs(pid); now - last > QUIET_MS / 10; now = cpuMs(pid)) {
    last = now;
    await sleep(QUIET_MS);
  }
}

function rssKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
