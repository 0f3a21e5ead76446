/**
 * The strongest isolation of child processes that this machine allows.
 *
 * A clean environment is not enough on Linux: a process of the same user can read this program's environment in
 * `/proc`. A user namespace removes that right. A process namespace also kills everything in it when its first
 * process ends, even processes that detached themselves.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface Isolation {
  /** `namespaces`: a process and user namespace; `capabilities`: root without its rights; `none`: only a process group and limits. */
  readonly level: 'namespaces' | 'capabilities' | 'none';
  /** Program and arguments that go before the command. */
  readonly command: readonly string[];
}

const NAMESPACES = ['unshare', '--user', '--map-current-user', '--pid', '--fork', '--kill-child'];
const CANDIDATES: readonly Isolation[] = [
  { level: 'namespaces', command: [...NAMESPACES, '--mount-proc'] },
  // Containers may forbid mounting a new /proc. The old one lists processes but does not show their environment.
  { level: 'namespaces', command: NAMESPACES },
  { level: 'capabilities', command: ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'] },
];
const NONE: Isolation = { level: 'none', command: [] };

const run = promisify(execFile);
const found = new Map<string, Promise<Isolation>>();

/** Tries the candidates once for each search path and keeps the strongest that works. */
export function findIsolation(searchPath: string): Promise<Isolation> {
  const known = found.get(searchPath) ?? tryCandidates(searchPath);
  found.set(searchPath, known);
  return known;
}

async function tryCandidates(searchPath: string): Promise<Isolation> {
  if (process.platform !== 'linux') return NONE;
  for (const candidate of CANDIDATES) {
    const [program = '', ...rest] = candidate.command;
    if (candidate.level === 'capabilities' && !(await hasRights())) continue;
    try {
      await run(program, [...rest, 'true'], { env: { PATH: searchPath }, timeout: 5_000 });
      return candidate;
    } catch {
      // Not installed or not allowed: try the next one.
    }
  }
  return NONE;
}

/** Whether this process is root with capabilities. A child without them cannot read the `/proc` entries of a process that has them. */
async function hasRights(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  return /^CapEff:\s*[0-9a-f]*[1-9a-f]/m.test(status);
}
