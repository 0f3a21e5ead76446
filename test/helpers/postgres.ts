/** A PostgreSQL of this machine's own programs, on a free port, in a folder that goes with it. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findOnPath } from '../../src/server/program.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

/** Debian and others keep the server's programs here, outside of PATH. */
const FOLDERS = ['/usr/lib/postgresql', '/usr/local/pgsql'];
const READY_TIMEOUT_MS = 30_000;

export interface Postgres {
  readonly port: number;
  readonly user: string;
  /** Of the process that starts one for each connection. */
  readonly pid: number;
  /** Folder of its programs. */
  readonly bin: string;
  stop(): Promise<void>;
}

/**
 * Starts it on a new, empty folder.
 * @param user its superuser, who needs no password
 * @param settings such as `fsync=off`
 */
export async function startPostgres(
  user: string,
  settings: readonly string[],
  environment: Readonly<Record<string, string>> = { PATH: process.env['PATH'] ?? '' },
): Promise<Postgres> {
  const bin = await findPrograms(environment);
  const folder = await mkdtemp(join(tmpdir(), 'copilot-postgres-'));
  const data = join(folder, 'data');
  const port = await freePort();
  const owner = await findOwner();
  if (owner) await chown(folder, owner.uid, owner.gid);
  const options = { cwd: folder, env: { PATH: environment['PATH'] ?? '', LC_ALL: 'C' }, ...owner };
  const initial = ['--pgdata', data, '--username', user, '--auth', 'trust', '--encoding', 'UTF8'];
  await run(join(bin, 'initdb'), initial, options);
  const all = [...settings, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`];
  const args = ['-D', data, '-p', String(port), ...all.flatMap((setting) => ['-c', setting])];
  const child = spawn(join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
  const exited = once(child, 'exit');
  // It does not outlive this process, however that ends.
  process.once('exit', () => child.kill('SIGINT'));
  const stop = async (): Promise<void> => {
    child.kill('SIGINT');
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await run(join(bin, 'pg_isready'), ['--host', '127.0.0.1', '--port', String(port)], options);
      return { port, user, pid: child.pid ?? 0, bin, stop };
    } catch (error) {
      if (Date.now() > deadline || child.exitCode !== null) {
        await stop();
        throw error;
      }
      await sleep(200);
    }
  }
}

async function findPrograms(environment: Readonly<Record<string, string>>): Promise<string> {
  const onPath = await findOnPath('pg_ctl', environment);
  const createdb = onPath === undefined ? undefined : join(dirname(onPath), 'createdb');
  if (createdb !== undefined && existsSync(createdb)) return dirname(createdb);
  for (const parent of FOLDERS.filter((path) => existsSync(path))) {
    const versions = (await readdir(parent)).sort((one, other) => Number(other) - Number(one));
    const found = [...versions.map((version) => join(parent, version, 'bin')), join(parent, 'bin')].find((path) =>
      existsSync(join(path, 'initdb')),
    );
    if (found !== undefined) return found;
  }
  throw new Error('There is no PostgreSQL: apt install postgresql');
}

/** PostgreSQL refuses to run as root. */
async function findOwner(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}
