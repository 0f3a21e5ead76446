/** Runs code in the workspace, finds out which files it wrote, and reports on it to the agent. */
import { lstat, mkdir, unlink } from 'node:fs/promises';
import { delimiter, dirname } from 'node:path';
import { listed } from '../files/text.ts';
import { resolveInside, type Scope } from '../workspace/paths.ts';
import { walk } from '../workspace/walk.ts';
import type { Code, CodeOutcome, CodeRunner } from './code-runner.ts';
import type { ProcessLimits } from './limited-process.ts';

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
/** Limit of V8's heap. It is below the limit of the whole process, so that Node stops with its own message. */
export const NODE_HEAP_MIB = 512;
const UNREPORTED: ReadonlySet<string> = new Set(['.git', 'node_modules', '__pycache__', '.cache', '.npm']);

/** The `PATH` of every run. The folder of the Node that runs this program comes first. */
export const SEARCH_PATH = [
  ...new Set([dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin']),
].join(delimiter);

export interface WorkspaceRun {
  readonly outcome: CodeOutcome;
  /** New or changed files relative to the workspace, at most {@link MAX_ARTIFACTS}. */
  readonly artifacts: readonly string[];
  readonly moreArtifacts: number;
}

export interface RunRequest {
  readonly code: Code;
  readonly stdin: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * Runs code with the workspace as its working directory and home. It and every process it started are gone at a limit,
 * on abort, and when it exits.
 * @throws as {@link CodeRunner.run}
 */
export async function runInWorkspace(scope: Scope, runner: CodeRunner, request: RunRequest): Promise<WorkspaceRun> {
  const { code, stdin, timeoutSeconds, signal } = request;
  const { absolute: workspace } = await resolveInside(scope, '.');
  const before = await listing(scope, signal);
  let outcome: CodeOutcome;
  try {
    outcome = await runner.run({
      tool: scope.tool,
      code,
      workspace,
      stdin,
      timeoutMs: timeoutSeconds * 1_000,
      signal,
    });
  } finally {
    await restoreFolder(workspace);
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
  { exitCode, limitHit, stderr }: CodeOutcome,
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
