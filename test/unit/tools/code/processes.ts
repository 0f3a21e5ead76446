/** Processes of this machine, found by what stands in their command line. */
import { readdirSync, readFileSync } from 'node:fs';

/** Ids of those that have `text` in it. */
export function running(text: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(text) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

let naps = 0;

/** A length of sleep, in seconds, that no other process has. */
export function uniqueNap(): string {
  return `${600 + (process.pid % 1_000)}.${process.pid}${Date.now() % 10_000}${naps++}`;
}
