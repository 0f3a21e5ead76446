/** Runs a command in the workspace with limits and a minimal environment, and reports on it to the agent. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, lstat, mkdir, mkdtemp, readFile, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { listed } from '../files/text.ts';
import { resolveInside, type Scope } from '../workspace/paths.ts';
import { walk } from '../workspace/walk.ts';
import type { ProcessLimits, ProcessOutcome } from './limited-process.ts';
import { runLimited } from './limited-process.ts';

/** Limits of every run, except its time and the data of one process. */
export const RUN_LIMITS: Omit<ProcessLimits, 'timeoutMs' | 'dataMiB'> = {
  memoryMiB: 1_024,
  processes: 64,
  openFiles: 256,
  fileMiB: 256,
  stdoutBytes: 80 * 1024,
  stderrBytes: 20 * 1024,
};
/** How many files are compared before and after a run to find those that changed. */
const MAX_FILES_COMPARED = 10_000;
/** How many files, folders and links are visited to do so. */
const MAX_ENTRIES_COMPARED = 20_000;
const MAX_ARTIFACTS = 200;
const REMOVAL_LIMIT_MS = 30_000;
const UNREPORTED: ReadonlySet<string> = new Set(['.git', 'node_modules', '__pycache__', '.cache', '.npm']);

/** The `PATH` of every run. The folder of the Node that runs this program comes first. */
export const SEARCH_PATH = [
  ...new Set([dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin']),
].join(delimiter);

const run = promisify(execFile);

export interface WorkspaceRun {
  readonly outcome: ProcessOutcome;
  /** New or changed files relative to the workspace, at most {@link MAX_ARTIFACTS}. */
  readonly artifacts: readonly string[];
  readonly moreArtifacts: number;
}

export interface RunRequest {
  readonly command: readonly string[];
  /** The command's `PATH`. */
  readonly searchPath: string;
  readonly stdin: string;
  readonly timeoutSeconds: number;
  /** Whether the command is Node or may start it. Then each process may have the address range of V8's code as well. */
  readonly runsNode: boolean;
  readonly signal: AbortSignal;
}

/**
 * Runs a command with the workspace as its working directory and home. It gets none of this program's variables. It
 * and every process it started are killed at a limit, on abort, and when it exits.
 * @throws the signal's reason if it aborts
 */
export async function runInWorkspace(scope: Scope, request: RunRequest): Promise<WorkspaceRun> {
  const { command, searchPath, stdin, timeoutSeconds, runsNode, signal } = request;
  const { absolute: cwd } = await resolveInside(scope, '.');
  const before = await listing(scope, signal);
  const temporaryFolder = await mkdtemp(join(tmpdir(), 'copilot-run-'));
  try {
    const dataMiB = RUN_LIMITS.memoryMiB + (runsNode ? await codeRangeMiB() : 0);
    const limits = { ...RUN_LIMITS, dataMiB, timeoutMs: timeoutSeconds * 1_000 };
    const environment = { PATH: searchPath, HOME: cwd, LANG: 'C.UTF-8', TMPDIR: temporaryFolder };
    let outcome: ProcessOutcome;
    try {
      outcome = await runLimited({ command, cwd, environment, stdin, limits, signal });
    } finally {
      await restoreFolder(cwd);
    }
    // Code can make its workspace unreadable. Its output is still worth reporting.
    const after = await listing(scope, signal).catch(() => before);
    signal.throwIfAborted();
    const artifacts = changed(before, after);
    return {
      outcome,
      artifacts: artifacts.slice(0, MAX_ARTIFACTS),
      moreArtifacts: Math.max(0, artifacts.length - MAX_ARTIFACTS),
    };
  } finally {
    await removeFolder(temporaryFolder);
  }
}

/**
 * How much of the data limit V8 uses up before it runs anything. Node 24 maps 512 MiB for compiled code as writable,
 * and Linux counts that as data; Node 22 does not. This process runs the same program, so its own map tells.
 */
async function codeRangeMiB(): Promise<number> {
  const maps = await readFile('/proc/self/maps', 'latin1').catch(() => '');
  const bytes = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rwxp/gm)].map(
    ([, from = '', to = '']) => Number.parseInt(to, 16) - Number.parseInt(from, 16),
  );
  return Math.ceil(bytes.reduce((sum, each) => sum + each, 0) / 2 ** 20);
}

/** Absolute path of a program, or undefined if no folder of the search path has it. */
export async function findProgram(searchPath: string, name: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const program = join(folder, name);
    const isThere = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return program;
  }
  return undefined;
}

/**
 * The first line says how the run ended. Outputs and files follow under their headings, if there are any.
 * @param limits what the text names if a limit ended the run
 */
export function report(
  { outcome, artifacts, moreArtifacts }: WorkspaceRun,
  limits: { readonly timeoutSeconds: number; readonly memoryMiB: number },
): string {
  const { stdout, stderr, droppedBytes, durationMs } = outcome;
  const moreFiles = moreArtifacts > 0 ? [`[and ${moreArtifacts} more]`] : [];
  const sections = [
    `${ending(outcome, limits)} Ran ${(durationMs / 1_000).toFixed(1)} s.`,
    ...(stdout === '' ? [] : [`--- stdout ---\n${stdout.trimEnd()}`]),
    ...(stderr === '' ? [] : [`--- stderr ---\n${stderr.trimEnd()}`]),
    ...(droppedBytes > 0
      ? [
          `[${droppedBytes} more bytes of output were dropped; ${RUN_LIMITS.stdoutBytes} of stdout and ${RUN_LIMITS.stderrBytes} of stderr are kept. Print less, or write to a file.]`,
        ]
      : []),
    ...(artifacts.length > 0 ? [`--- files written ---\n${[...artifacts.map(listed), ...moreFiles].join('\n')}`] : []),
  ];
  return sections.join('\n');
}

/**
 * How programs say that an allocation failed. The kernel refuses memory beyond the limit and counts nothing, so only the
 * program knows: this is a hint for the agent, and decides nothing.
 */
const NO_MEMORY =
  /JavaScript heap out of memory|^MemoryError|Array buffer allocation failed|[Ff]ailed to allocate memory|[Cc](?:annot|ould not) allocate (?:memory|\d+ bytes)|memory exhausted/m;

function ending(
  { exitCode, limitHit, stderr }: ProcessOutcome,
  { timeoutSeconds, memoryMiB }: { readonly timeoutSeconds: number; readonly memoryMiB: number },
): string {
  if (limitHit === 'time') {
    return `Stopped: not finished after ${timeoutSeconds} s, the time limit. All its processes were ended.`;
  }
  if (limitHit === 'processes')
    return `Stopped: more than ${RUN_LIMITS.processes} processes at once, which is the limit. All of them were ended.`;
  const advice = `the limit is ${memoryMiB} MiB. Work on the data in parts.`;
  if (limitHit === 'memory') return `Stopped: out of memory; ${advice}`;
  if (exitCode !== 0 && NO_MEMORY.test(stderr))
    return `Exit code ${exitCode}. It says that it has no memory; ${advice}`;
  if (exitCode === 137) return 'Exit code 137: killed, probably by a limit on memory or processor time.';
  return `Exit code ${exitCode}.`;
}

async function listing(scope: Scope, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  let entries = 0;
  for await (const { path, kind, bytes, changedMs } of walk(scope, '.', { recursive: true, skip: UNREPORTED })) {
    if (kind === 'file') files.set(path, `${bytes} ${changedMs}`);
    if (files.size === MAX_FILES_COMPARED || ++entries === MAX_ENTRIES_COMPARED) break;
    signal.throwIfAborted();
  }
  return files;
}

function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after].flatMap(([path, state]) => (before.get(path) === state ? [] : [path]));
}

/** Code can delete its own workspace or replace it by a link, which file tools would then follow. */
async function restoreFolder(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isDirectory()) return;
  if (stats !== undefined) await unlink(path);
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Code can leave folders that Node cannot remove: without permissions, or with paths that are too long. */
async function removeFolder(folder: string): Promise<void> {
  const options = { env: { PATH: SEARCH_PATH }, timeout: REMOVAL_LIMIT_MS };
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    // If this fails too, some litter stays; the result is right all the same.
    await run('find', [folder, '-type', 'd', '-exec', 'chmod', 'u+rwx', '{}', ';'], options).catch(() => undefined);
    await run('rm', ['-rf', folder], options).catch(() => undefined);
  }
}
