/** All processes that one process has started: found, measured and ended together. Detail beyond the process group is Linux only. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const KILL_ROUNDS = 20;
const KILL_PAUSE_MS = 10;

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly isZombie: boolean;
}

/** The processes below a process that was started as leader of its own group and session. */
export class ProcessTree {
  readonly #leader: number;
  readonly #marker: string;

  /**
   * @param leader process id
   * @param marker text that stands in the environment of this tree and of no other process
   */
  constructor(leader: number, marker: string) {
    // Either of them empty would stand for every process there is.
    if (!(leader > 1) || marker === '') throw new Error(`No process tree: leader ${leader}, marker "${marker}".`);
    this.#leader = leader;
    this.#marker = marker;
  }

  /** The leader itself included. Empty where there is no `/proc`. */
  members(): number[] {
    const all = readProcesses();
    const members = new Set<number>([this.#leader]);
    for (let before = 0; before !== members.size;) {
      before = members.size;
      for (const { pid, parent, session } of all) if (members.has(parent) || session === this.#leader) members.add(pid);
    }
    return all.filter(({ pid, isZombie }) => members.has(pid) && !isZombie).map(({ pid }) => pid);
  }

  /** Resident memory of `members`, in bytes; memory that they share counts for each. */
  residentBytes(members: readonly number[]): number {
    let kib = 0;
    for (const pid of members) kib += Number(/^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
    return kib * 1024;
  }

  /** Sends SIGKILL to the group and, on Linux, to all that left it, until nothing is left. */
  async kill(): Promise<void> {
    // Gathered before the leader dies, since its children then have another parent.
    const known = this.members();
    killQuietly(-this.#leader);
    for (const pid of known) killQuietly(pid);
    for (let round = 0; round < KILL_ROUNDS; round++) {
      const left = new Set([...this.members(), ...this.#marked()]);
      if (left.size === 0) return;
      for (const pid of left) killQuietly(pid);
      await sleep(KILL_PAUSE_MS);
    }
  }

  /** Those that began a session of their own and whose parent is gone still have the environment that they were given. */
  #marked(): number[] {
    return readProcesses()
      .filter(
        ({ pid, isZombie }) =>
          !isZombie && pid !== process.pid && readText(`/proc/${pid}/environ`).includes(this.#marker),
      )
      .map(({ pid }) => pid);
  }
}

function readProcesses(): ProcessFacts[] {
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = readText(`/proc/${name}/stat`);
    // The command stands in brackets and may itself have brackets and spaces.
    const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === undefined || parent === undefined) return [];
    return [
      { pid: Number(name), parent: Number(parent), session: Number(session), isZombie: state === 'Z' || state === 'X' },
    ];
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process has ended meanwhile, or belongs to somebody else.
    return '';
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
