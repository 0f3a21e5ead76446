/** Runs code in containers of Docker or Podman: no network, nothing to write but the workspace, and limits by the kernel. */
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { CopilotError } from '../../contracts/errors.ts';
import { refusal } from '../refusal.ts';
import type { CodeOutcome, CodeRequest, CodeRunner } from './code-runner.ts';
import { collectOutput, drainOutput } from './limited-process.ts';
import { NODE_HEAP_MIB, RUN_LIMITS } from './workspace-run.ts';

export interface ContainerOptions {
  /** Image with `sh`, and what code needs: `node`, `python3`, `bash`. It has to be on the machine; none is pulled. */
  readonly image: string;
  /** `docker` (the default), `podman`, or the path of one of them. */
  readonly program?: string;
  /** Memory of a run, in MiB. Default 1,024. */
  readonly memoryMiB?: number;
  /** Processors of a run. Default 1. */
  readonly cpus?: number;
  /** Processes of a run. Default 64. */
  readonly processes?: number;
  /**
   * `uid:gid` of the code. Default: the owner of the workspace. If the worker is root, it gives a private workspace to
   * nobody (65534), and refuses any other that belongs to root.
   */
  readonly user?: string;
}

const INSIDE = '/workspace';
/** `<host>/<pid>` of the worker, and until when its container may run, in seconds of the epoch. */
const OWNER = 'durable-copilot.owner';
const UNTIL = 'durable-copilot.until';
/** Exit codes of Docker and Podman themselves, of a program that cannot be run, and of one that is not there. */
const [ENGINE_FAILED, NOT_RUNNABLE, NOT_FOUND, KILLED] = [125, 126, 127, 137];
/** How long after its time a container may be removed by any worker. */
const UNTIL_GRACE_MS = 60_000;
/** Who code is if the worker is root. */
const NOBODY = 65_534;
const SWEEP_INTERVAL_MS = 60_000;
const TEMPORARY_SIZE = '256m';
/** Of short commands. */
const COMMAND_TIMEOUT_MS = 20_000;
const MAX_COMMAND_OUTPUT = 4 * 1024 * 1024;

/** @throws CopilotError `InvalidInput` for options that are not valid */
export function containerRunner(options: ContainerOptions): CodeRunner {
  const { image, program = 'docker', memoryMiB = RUN_LIMITS.memoryMiB, user } = options;
  if (!/^[\w][\w./:@-]*$/.test(image)) throw invalid('image', `"${image}" is not the name of an image`);
  if (user !== undefined && !isUnprivileged(user))
    throw invalid('user', `"${user}" is not a uid:gid other than root's`);
  let sweptAt = -Infinity;
  const sweep = async (): Promise<void> => {
    if (performance.now() - sweptAt < SWEEP_INTERVAL_MS) return;
    sweptAt = performance.now();
    await removeLeftovers(program);
  };
  return {
    name: `${basename(program)}, ${image}`,
    memoryMiB,
    run: async (request) => {
      request.signal.throwIfAborted();
      await sweep().catch(() => undefined);
      return await runOnce(options, program, request);
    },
    prepare: () => removeLeftovers(program),
    check: () => problemOf(program, image),
  };
}

/** What code or environment names; undefined for child processes. @param named such as `docker:node:24` */
export function runnerOf(
  settings: { readonly codeRunner?: CodeRunner },
  { codeRunner: named }: { readonly codeRunner?: string },
): CodeRunner | undefined {
  if (settings.codeRunner || named === undefined) return settings.codeRunner;
  const end = named.indexOf(':');
  return containerRunner({ program: named.slice(0, end), image: named.slice(end + 1) });
}

function invalid(what: string, problem: string): CopilotError {
  return new CopilotError('InvalidInput', { what: `containerRunner: ${what}`, problem });
}

function isUnprivileged(user: string): boolean {
  const [uid] = /^(\d+):\d+$/.exec(user)?.slice(1) ?? [];
  return uid !== undefined && Number(uid) !== 0;
}

/** Containers whose time is over, and those whose worker on this host has died. */
async function removeLeftovers(program: string): Promise<void> {
  const format = `{{.ID}} {{.Label "${OWNER}"}} {{.Label "${UNTIL}"}}`;
  const { exitCode, stdout } = await runEngine(program, [
    'ps',
    '--all',
    '--filter',
    `label=${OWNER}`,
    '--format',
    format,
  ]);
  if (exitCode !== 0) return;
  const left = stdout.split('\n').flatMap((line) => {
    const [id = '', owner = '', until = ''] = line.trim().split(' ');
    if (id === '') return [];
    const [host, pid] = [owner.slice(0, owner.lastIndexOf('/')), Number(owner.slice(owner.lastIndexOf('/') + 1))];
    const isOrphan = host === hostname() && !isAlive(pid);
    return isOrphan || Number(until) * 1_000 < Date.now() ? [id] : [];
  });
  if (left.length > 0) await runEngine(program, ['rm', '--force', ...left]);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

async function runOnce(options: ContainerOptions, program: string, request: CodeRequest): Promise<CodeOutcome> {
  const { signal, stdin, timeoutMs } = request;
  const name = `copilot-${randomUUID()}`;
  const startedMs = performance.now();
  const child = spawn(program, await runArguments(options, name, request), { stdio: 'pipe' });
  const output = collectOutput(child, RUN_LIMITS);
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const over = new AbortController();
  try {
    const ended = once(child, 'exit', { signal }).then(() => undefined);
    const late = sleep(timeoutMs, 'time' as const, { signal: over.signal }).catch(() => undefined);
    const limitHit = await Promise.race([ended, late]);
    const exitCode = limitHit ? KILLED : (child.exitCode ?? KILLED);
    const wasKilled = !limitHit && exitCode === KILLED && (await ranOutOfMemory(program, name));
    await drainOutput(child);
    const outcome = { exitCode, limitHit: wasKilled ? ('memory' as const) : limitHit, ...output() };
    if (!limitHit) refuseUnlessBegun(options, request, outcome);
    return { ...outcome, durationMs: performance.now() - startedMs };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw isMissing(error) ? refusal(request, `${program} is not installed on this worker`) : error;
  } finally {
    over.abort();
    child.kill('SIGKILL');
    // It may not exist. What cannot be removed now is removed when its time is over.
    await runEngine(program, ['rm', '--force', name]).catch(() => undefined);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function runArguments(options: ContainerOptions, name: string, request: CodeRequest): Promise<string[]> {
  const {
    image,
    program = 'docker',
    memoryMiB = RUN_LIMITS.memoryMiB,
    cpus = 1,
    processes = RUN_LIMITS.processes,
  } = options;
  const { timeoutMs, workspace } = request;
  const seconds = Math.ceil(timeoutMs / 1_000);
  const until = Math.ceil((Date.now() + timeoutMs + UNTIL_GRACE_MS) / 1_000);
  const fileBytes = RUN_LIMITS.fileMiB * 1024 * 1024;
  return [
    ...['run', '--interactive', '--name', name, '--pull', 'never'],
    ...['--label', `${OWNER}=${hostname()}/${process.pid}`, '--label', `${UNTIL}=${until}`],
    ...['--network', 'none', '--read-only', '--tmpfs', `/tmp:rw,nosuid,nodev,size=${TEMPORARY_SIZE}`],
    ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--user', await userOf(options, request)],
    // Without it, Podman's users inside are not those of the workspace. Its `--init` needs another program.
    ...(basename(program).startsWith('podman') ? ['--userns', 'keep-id'] : ['--init']),
    ...['--memory', `${memoryMiB}m`, '--memory-swap', `${memoryMiB}m`, '--cpus', String(cpus)],
    ...['--pids-limit', String(processes), '--ulimit', `cpu=${seconds + 1}`, '--ulimit', 'core=0'],
    ...['--ulimit', `nofile=${RUN_LIMITS.openFiles}`, '--ulimit', `fsize=${fileBytes}`],
    ...['--mount', `type=bind,source=${workspace},target=${INSIDE}`, '--workdir', INSIDE],
    ...['--env', `HOME=${INSIDE}`, '--env', 'TMPDIR=/tmp', '--env', 'LANG=C.UTF-8', '--entrypoint', '', image],
    ...commandOf(request),
  ];
}

async function userOf({ user }: ContainerOptions, { tool, workspace }: CodeRequest): Promise<string> {
  // A comma would be another option of the mount.
  if (workspace.includes(','))
    throw refusal({ tool }, 'the path of the workspace has a comma, which no mount can have');
  if (user !== undefined) return user;
  const { uid, gid, mode } = await stat(workspace);
  const isPrivate = (mode & 0o077) === 0;
  if (process.getuid?.() === 0 && isPrivate && (uid === 0 || uid === NOBODY)) {
    // What the worker's own tools wrote since the last run belongs to root. Links are changed, not followed.
    await promisify(execFile)('chown', ['-R', '-h', '-P', `${NOBODY}:${NOBODY}`, workspace]);
    return `${NOBODY}:${NOBODY}`;
  }
  if (uid !== 0) return `${uid}:${gid}`;
  throw refusal(
    { tool },
    'the workspace belongs to root, and code does not run as root. Give the folder to another user, or name one by `user` of containerRunner',
  );
}

function commandOf({ code }: CodeRequest): string[] {
  switch (code.language) {
    case 'shell':
      return ['sh', '-c', 'command -v bash >/dev/null && exec bash -c "$1"; exec sh -c "$1"', 'sh', code.command];
    case 'node':
      return ['node', `--max-old-space-size=${NODE_HEAP_MIB}`, `${INSIDE}/${code.file}`];
    case 'python':
      return ['python3', '-B', `${INSIDE}/${code.file}`];
  }
}

async function ranOutOfMemory(program: string, name: string): Promise<boolean> {
  const { stdout } = await runEngine(program, ['inspect', '--format', '{{.State.OOMKilled}}', name]);
  return stdout.trim() === 'true';
}

/** Tells code that failed from code that never began. */
function refuseUnlessBegun(
  { image, program = 'docker' }: ContainerOptions,
  { tool, code }: CodeRequest,
  { exitCode, stderr }: Pick<CodeOutcome, 'exitCode' | 'stderr'>,
): void {
  const words = firstLine(stderr);
  if (exitCode === ENGINE_FAILED) throw refusal({ tool }, `the container did not start (${words})`);
  const isMissing = exitCode === NOT_FOUND || exitCode === NOT_RUNNABLE;
  if (!isMissing || code.language === 'shell') return;
  throw refusal(
    { tool },
    `${basename(program)} cannot run ${commandOf({ code } as CodeRequest)[0]} of image ${image} (${words})`,
  );
}

function firstLine(stderr: string): string {
  return (stderr.trim().split('\n')[0] ?? '').slice(0, 300) || 'it said nothing';
}

async function problemOf(program: string, image: string): Promise<string | undefined> {
  try {
    const { exitCode, stderr } = await runEngine(program, ['image', 'inspect', image]);
    if (exitCode === 0) return undefined;
    return `${firstLine(stderr)}. Start ${basename(program)}, and get the image: ${basename(program)} pull ${image}`;
  } catch (error) {
    return isMissing(error) ? `${program} is not installed` : String(error);
  }
}

interface EngineResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A short command of Docker or Podman. @throws the error of `spawn`, such as ENOENT */
function runEngine(program: string, args: readonly string[]): Promise<EngineResult> {
  return new Promise((resolve, reject) => {
    const options = { timeout: COMMAND_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_COMMAND_OUTPUT } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error && child.exitCode === null && child.signalCode === null) return reject(error);
      resolve({ exitCode: child.exitCode ?? 1, stdout, stderr });
    });
  });
}
