/** Runs one command with limits on time, memory, processes, files and output, and kills every process it started. */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { endsWithin } from '../ends-within.ts';
import type { CodeOutcome, LimitHit } from './code-runner.ts';
import { findIsolation } from './isolation.ts';
import { ProcessTree } from './process-tree.ts';

export interface ProcessLimits {
  readonly timeoutMs: number;
  /** Resident memory of all processes together. It is measured, so a process can exceed it for a fraction of a second. */
  readonly memoryMiB: number;
  /** Data of each process, `RLIMIT_DATA`: the kernel refuses more. */
  readonly dataMiB: number;
  readonly processes: number;
  readonly openFiles: number;
  /** Size of each file that is written. */
  readonly fileMiB: number;
  /** How much of each stream is kept. The streams are limited separately, so that long output does not hide an error. */
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

export interface LimitedCommand {
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment. `TMPDIR` must be a folder of this run alone: it also identifies the run's processes. */
  readonly environment: Readonly<{ PATH: string; TMPDIR: string } & Record<string, string>>;
  readonly stdin: string;
  readonly limits: ProcessLimits;
  readonly signal: AbortSignal;
}

/** Exit code that shells show for a process ended by SIGKILL. */
const KILLED = 137;
/** A fork bomb starts ten processes a millisecond, so they are counted this often. */
const COUNT_INTERVAL_MS = 50;
/** Memory, and processes that detached themselves, are looked at once in this many counts. */
const COUNTS_PER_LOOK = 4;
const CLOSE_GRACE_MS = 1_000;
/** Range of the number that marks the processes of a run. It is above any real limit on file locks. */
const [LEAST_MARK, MARK_RANGE] = [2 ** 40, 2 ** 47];
/** If this program dies, the shell kills the run this much after the time limit. */
const ORPHAN_GRACE_SECONDS = 5;

/**
 * Sets the limits, runs the command, and kills it on time even if this program has died. The shell's own errors, such
 * as an unknown limit, are dropped; the command's are kept. The limit of processes is -p in dash and -u in bash. The
 * kernel counts it per user, so it is set only in a namespace. The limit of file locks (-w, -x) has no effect in Linux
 * and marks the run's processes. The command must not be the first process of its namespace, because signals do not
 * have their usual effect there.
 */
const SHELL_SCRIPT = `
exec 3<&0 4>&2 2>/dev/null
ulimit -c 0; ulimit -n "$1"; ulimit -d "$2"; ulimit -f "$3"; ulimit -t "$4"
if [ "$5" -gt 0 ]; then ulimit -p "$5" || ulimit -u "$5"; fi
ulimit -w "$6" || ulimit -x "$6"
seconds=$7
(sleep "$seconds"; kill -KILL 0) <&- >&- 3<&- 4>&- &
umask "$8"; shift 8
"$@" 2>&4 4>&- <&3 3<&- &
wait $!
`;

/**
 * Runs the command until it ends or reaches a limit. Every process of the run is dead when this settles.
 * @throws the signal's reason if it aborts
 */
export async function runLimited(request: LimitedCommand): Promise<CodeOutcome> {
  request.signal.throwIfAborted();
  const startedMs = performance.now();
  const { child, tree } = await start(request);
  const output = collectOutput(child, request.limits);
  // A command may end without reading its input.
  child.stdin.on('error', () => undefined);
  child.stdin.end(request.stdin);
  const watch = new AbortController();
  const ended = once(child, 'exit', { signal: request.signal }).then(() => ({
    exitCode: child.exitCode ?? KILLED,
    limitHit: undefined,
  }));
  const limited = untilLimit(tree, request.limits, watch.signal).then((limitHit) => ({ exitCode: KILLED, limitHit }));
  let end: Pick<CodeOutcome, 'exitCode' | 'limitHit'>;
  try {
    end = await Promise.race([ended, limited]);
  } catch (error) {
    throw request.signal.aborted ? request.signal.reason : error;
  } finally {
    watch.abort();
    await tree.kill();
  }
  await drainOutput(child);
  return { ...end, ...output(), durationMs: performance.now() - startedMs };
}

async function start(request: LimitedCommand): Promise<{ child: ChildProcessWithoutNullStreams; tree: ProcessTree }> {
  const { command, cwd, environment, limits } = request;
  const isolation = await findIsolation(environment.PATH);
  const seconds = Math.ceil(limits.timeoutMs / 1_000);
  const lockLimit = LEAST_MARK + randomInt(MARK_RANGE);
  const [program = '', ...args] = [
    ...isolation.command,
    'sh',
    '-c',
    SHELL_SCRIPT,
    'sh',
    String(limits.openFiles),
    String(limits.dataMiB * 1024),
    String(limits.fileMiB * 2048),
    String(seconds + 1),
    String(isolation.level === 'namespaces' ? limits.processes : 0),
    String(lockLimit),
    String(seconds + ORPHAN_GRACE_SECONDS),
    // As for the file tools: what the command makes is open to those to whom its folder is.
    (~(await stat(cwd)).mode & 0o777).toString(8),
    ...command,
  ];
  const child = spawn(program, args, { cwd, env: environment, detached: true, stdio: 'pipe' });
  await once(child, 'spawn');
  if (child.pid === undefined) throw new Error(`${program} did not start.`);
  return { child, tree: new ProcessTree(child.pid, { text: environment.TMPDIR, lockLimit }) };
}

/** Resolves when a limit is reached that the operating system does not enforce; never after `signal` aborts. */
async function untilLimit(tree: ProcessTree, limits: ProcessLimits, signal: AbortSignal): Promise<LimitHit> {
  const deadlineMs = performance.now() + limits.timeoutMs;
  for (let count = 1; ; count++) {
    const remainingMs = deadlineMs - performance.now();
    if (remainingMs <= 0) return 'time';
    await sleep(Math.min(COUNT_INTERVAL_MS, remainingMs), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return new Promise(() => undefined);
    if (tree.hasMoreThan(limits.processes)) return 'processes';
    if (count % COUNTS_PER_LOOK !== 0) continue;
    const members = tree.members();
    if (members.length > limits.processes) return 'processes';
    if (tree.residentBytes(members) > limits.memoryMiB * 1024 * 1024) return 'memory';
  }
}

/** Keeps the first bytes of each stream and reads the rest, so that the command does not block on a full pipe. */
export function collectOutput(
  child: ChildProcessWithoutNullStreams,
  limits: Pick<ProcessLimits, 'stdoutBytes' | 'stderrBytes'>,
): () => Pick<CodeOutcome, 'stdout' | 'stderr' | 'droppedBytes'> {
  let droppedBytes = 0;
  const collect = (stream: Readable, limitBytes: number): (() => string) => {
    const chunks: Buffer[] = [];
    let keptBytes = 0;
    let isCut = false;
    stream.on('error', () => undefined);
    stream.on('data', (chunk: Buffer) => {
      const kept = chunk.subarray(0, limitBytes - keptBytes);
      if (kept.length > 0) chunks.push(kept);
      keptBytes += kept.length;
      droppedBytes += chunk.length - kept.length;
      isCut ||= kept.length < chunk.length;
    });
    // Of a stream, the decoder leaves out a character that has only begun.
    return () => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(chunks), { stream: isCut });
  };
  const stdout = collect(child.stdout, limits.stdoutBytes);
  const stderr = collect(child.stderr, limits.stderrBytes);
  return () => ({ stdout: stdout(), stderr: stderr(), droppedBytes });
}

/** Waits for the rest of the output, but only briefly: another process may hold the pipes open. */
export async function drainOutput(child: ChildProcessWithoutNullStreams): Promise<void> {
  const streams = [child.stdout, child.stderr];
  const open = streams.filter((stream) => !stream.closed);
  await endsWithin(Promise.all(open.map((stream) => once(stream, 'close'))), CLOSE_GRACE_MS);
  for (const stream of streams) stream.destroy();
}
