/**
 * How far code can be kept apart from this program on this machine.
 *
 * A clean environment alone hides no secret on Linux: a process of the same user can read this program's
 * environment in `/proc`. A user namespace of its own takes that right away; a process namespace also ends
 * everything in it together with its first process, whatever it did to get away.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

export interface Isolation {
  /** `namespaces`: own process and user namespace; `capabilities`: root without its rights; `none`: a process group and limits only. */
  readonly level: 'namespaces' | 'capabilities' | 'none';
  /** Program and arguments to put before the command. */
  readonly command: readonly string[];
}

const NAMESPACES = ['unshare', '--user', '--map-current-user', '--pid', '--fork', '--kill-child'];
const CANDIDATES: readonly Isolation[] = [
  { level: 'namespaces', command: [...NAMESPACES, '--mount-proc'] },
  // Inside a container a new /proc may not be mounted; the old one shows processes, but not their environment.
  { level: 'namespaces', command: NAMESPACES },
  { level: 'capabilities', command: ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'] },
];
const NONE: Isolation = { level: 'none', command: [] };

const run = promisify(execFile);
const found = new Map<string, Promise<Isolation>>();

/** The strongest isolation that works here, tried out once for each search path and kept. */
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
      // Not installed or not allowed here: the next one.
    }
  }
  return NONE;
}

/** Whether this is root with rights to take away: what code has not, keeps it from `/proc` of those who have. */
async function hasRights(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '');
  return /^CapEff:\s*[0-9a-f]*[1-9a-f]/m.test(status);
}
