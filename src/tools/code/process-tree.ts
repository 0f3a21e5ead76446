/** Finds, measures and kills all processes that one process has started. Outside Linux only its process group is known. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** How long to keep killing processes that start others meanwhile. */
const KILL_LIMIT_MS = 5_000;
const KILL_PAUSE_MS = 10;
/** Index of the start time in `/proc/<pid>/stat`, counted from the state. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const STARTED_FIELD = 19;

interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly isZombie: boolean;
  /** Start time in kernel ticks. */
  readonly started: number;
}

/** What every process of a tree has, and no other process. */
export interface TreeMark {
  /** Text in their environment. A program can start others without it. */
  readonly text: string;
  /**
   * Their hard limit on file locks, or 0 if they have none of their own. Linux ignores this limit, passes it on to
   * every child, and lets nobody raise it without rights.
   */
  readonly lockLimit: number;
}

/** The processes below a process that was started as leader of its own group and session. */
export class ProcessTree {
  readonly #leader: number;
  readonly #mark: TreeMark;
  readonly #since: number;

  /**
   * @param leader process id
   * @param mark of this tree alone, or its text
   */
  constructor(leader: number, mark: TreeMark | string) {
    this.#leader = leader;
    this.#mark = typeof mark === 'string' ? { text: mark, lockLimit: 0 } : mark;
    // An empty mark, or a leader of 0 or 1, would match every process.
    if (!(leader > 1) || this.#mark.text === '') {
      throw new Error(`Process ${leader} with the mark "${this.#mark.text}" cannot lead a process tree.`);
    }
    this.#since = readProcess(leader)?.started ?? 0;
  }

  /**
   * The leader, its descendants, the processes of its session, and those that left both but have the mark. Empty
   * without `/proc`.
   */
  members(): number[] {
    const all = readProcesses();
    const members = new Set<number>([this.#leader]);
    for (const { pid, started } of all) {
      if (pid !== process.pid && started >= this.#since && this.#isMarked(pid)) members.add(pid);
    }
    for (let before = 0; before !== members.size;) {
      before = members.size;
      for (const { pid, parent, session } of all) if (members.has(parent) || session === this.#leader) members.add(pid);
    }
    return all.filter(({ pid, isZombie }) => members.has(pid) && !isZombie).map(({ pid }) => pid);
  }

  /**
   * Whether there are more than `count`. It stops at `count`, so it stays fast when thousands of processes take the
   * processor. Processes that left the session and lost their parent are not counted.
   */
  hasMoreThan(count: number): boolean {
    const members = new Set<number>([this.#leader]);
    const younger = processIds().filter((pid) => pid > this.#leader);
    for (const pid of younger.sort((a, b) => a - b)) {
      const { parent, session, isZombie } = readProcess(pid) ?? {};
      if (parent === undefined || isZombie) continue;
      if (members.has(parent) || session === this.#leader) members.add(pid);
      if (members.size > count) return true;
    }
    return false;
  }

  /** Resident memory of `members` in bytes. Shared memory counts for each of them. */
  residentBytes(members: readonly number[]): number {
    let kib = 0;
    for (const pid of members) kib += Number(/^VmRSS:\s+(\d+) kB/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
    return kib * 1024;
  }

  /** Sends SIGKILL to the group and, on Linux, to those that left it, until none is left. */
  async kill(): Promise<void> {
    // The group goes first, because finding the others takes time. A process namespace ends with its first process.
    killQuietly(-this.#leader);
    for (const endMs = performance.now() + KILL_LIMIT_MS; performance.now() < endMs;) {
      const left = this.members();
      if (left.length === 0) return;
      for (const pid of left) killQuietly(pid);
      await sleep(KILL_PAUSE_MS);
    }
  }

  #isMarked(pid: number): boolean {
    const { text, lockLimit } = this.#mark;
    if (readText(`/proc/${pid}/environ`).includes(text)) return true;
    if (lockLimit === 0) return false;
    const hard = /^Max file locks +\S+ +(\d+)/m.exec(readText(`/proc/${pid}/limits`))?.[1];
    return hard !== undefined && Number(hard) === lockLimit;
  }
}

function readProcesses(): ProcessFacts[] {
  return processIds().flatMap((pid) => readProcess(pid) ?? []);
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  } catch {
    return [];
  }
}

function readProcess(pid: number): ProcessFacts | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The command is in brackets and may itself contain brackets and spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, parent, , session] = fields;
  if (state === undefined || parent === undefined) return undefined;
  const isZombie = state === 'Z' || state === 'X';
  return {
    pid,
    parent: Number(parent),
    session: Number(session),
    isZombie,
    started: Number(fields[STARTED_FIELD]),
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process has ended, or belongs to another user.
    return '';
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
