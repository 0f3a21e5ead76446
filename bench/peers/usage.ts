/** What processes used: time of the processor, and memory. Linux only. */
import { readFileSync } from 'node:fs';

/** `USER_HZ`, in which Linux counts. */
const TICK_MS = 10;

export interface Usage {
  readonly cpuMs: number;
  /** Proportional set size, so that memory which several processes share counts once. */
  readonly memoryBytes: number;
}

export function usageOf(pids: readonly number[], withChildren: boolean): Usage {
  const all = withChildren ? pids.flatMap((pid) => [pid, ...childrenOf(pid)]) : pids;
  const cpuMs = sum(all.map((pid) => cpuMsOf(pid, withChildren)));
  return { cpuMs, memoryBytes: sum(all.map(memoryOf)) };
}

function childrenOf(pid: number): number[] {
  const ids = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
  return ids.flatMap((id) => [id, ...childrenOf(id)]);
}

/** With the time of children that have ended, if wanted. */
function cpuMsOf(pid: number, withEnded: boolean): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name before the last bracket may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')')).split(' ');
  return TICK_MS * sum(fields.slice(12, withEnded ? 16 : 14).map(Number));
}

function memoryOf(pid: number): number {
  const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1];
  return 1_024 * Number(kibibytes ?? 0);
}

/** Nothing if the process has ended. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
