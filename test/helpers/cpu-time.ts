/** Processor time, which a busy machine does not stretch as it does the time of a clock. */
import { existsSync, readFileSync } from 'node:fs';

/** Starts to measure. The function gives the milliseconds that all threads of this process have computed since. */
export function cpuTimer(): () => number {
  const start = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  };
}

/** Of the processor, and more than a program takes to start. */
const BUSY_MS = 1_000;
/** `USER_HZ`, in which Linux counts. */
const TICK_MS = 10;

/**
 * Waits for `work`. It halts each process that this one has started meanwhile, once that has computed for a second: from
 * then on it waits for its time limit and leaves the processor to others.
 */
export async function haltBusy<T>(work: () => Promise<T>): Promise<T> {
  const before = new Set(childrenIds());
  const timer = setInterval(() => {
    for (const pid of childrenIds()) if (!before.has(pid) && computedMs(pid) > BUSY_MS) process.kill(pid, 'SIGSTOP');
  }, 50);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** None on systems other than Linux. */
function childrenIds(): number[] {
  const file = `/proc/${process.pid}/task/${process.pid}/children`;
  return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
}

function computedMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before the last bracket may have spaces.
    const [userTicks = 0, systemTicks = 0] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14).map(Number);
    return (userTicks + systemTicks) * TICK_MS;
  } catch {
    return 0; // It has ended.
  }
}
