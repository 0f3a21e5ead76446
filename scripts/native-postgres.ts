/**
 * The server of docker-compose.yml without Docker: with this machine's PostgreSQL, and with Temporal's server built once
 * from source through the Go module proxy.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import getPort from 'get-port';
import { loadConfig } from '../src/config.ts';
import { packageDir } from '../src/package-info.ts';
import { findOnPath, findServerProgram } from '../src/server/program.ts';
import type { PostgresTests } from '../test/helpers/postgres-server.ts';

const run = promisify(execFile);

const USER = 'temporal';
/** Debian and others keep the server's programs here, outside of PATH. */
const POSTGRES_FOLDERS = ['/usr/lib/postgresql', '/usr/local/pgsql'];
const READY_TIMEOUT_MS = 30_000;
const BUILD_TIMEOUT_MS = 30 * 60_000;

/** Without the caller's settings, as in `npm test`. */
const config = loadConfig(
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(COPILOT_(?!CACHE)|TEMPORAL|OPENAI|AGENT)/.test(name)),
  ),
);
/** Of what is started here. */
export const { environment } = config.temporal;

interface NativePostgres {
  /** What `startTestServer` starts servers on it with. */
  readonly tests: PostgresTests;
  stop(): Promise<void>;
}

/** @throws Error that names the program which is missing */
export async function startNativePostgres(): Promise<NativePostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-postgres-'));
  let postgres: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (postgres) {
      postgres.kill('SIGINT');
      await once(postgres, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const bin = await postgresPrograms();
    const path = [bin, environment['PATH']].join(delimiter);
    const { root, tools } = await temporalPrograms();
    const port = await getPort({ host: '127.0.0.1' });
    postgres = await startPostgres(bin, folder, port);
    await untilReady(bin, port, postgres);
    const templates = await createTemplates(folder, port, [tools, path].join(delimiter));
    const temporal = await findServerProgram(config, (line) => console.log(line));
    return { tests: { port, user: USER, templates, server: join(tools, 'server'), root, temporal, path }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Folder with `initdb` and `postgres`. */
async function postgresPrograms(): Promise<string> {
  const onPath = await findOnPath('pg_ctl', environment);
  const initdb = onPath === undefined ? undefined : join(dirname(onPath), 'createdb');
  if (initdb !== undefined && existsSync(initdb)) return dirname(initdb);
  for (const parent of POSTGRES_FOLDERS.filter((path) => existsSync(path))) {
    const versions = (await readdir(parent)).sort((one, other) => Number(other) - Number(one));
    const found = [...versions.map((version) => join(parent, version, 'bin')), join(parent, 'bin')].find((path) =>
      existsSync(join(path, 'initdb')),
    );
    if (found !== undefined) return found;
  }
  throw new Error('There is no PostgreSQL: apt install postgresql');
}

/** Builds server and schema tool of the version in docker-compose.yml, if they are not there yet. */
async function temporalPrograms(): Promise<{ root: string; tools: string }> {
  const compose = readFileSync(join(packageDir, 'docker-compose.yml'), 'utf8');
  const version = /image: temporalio\/server:(\S+)/.exec(compose)?.[1];
  if (version === undefined) throw new Error('docker-compose.yml names no server');
  const root = join(config.cacheDir, 'temporal-server', `v${version}`);
  const tools = join(root, 'bin');
  if (existsSync(join(root, 'config/docker.yaml'))) return { root, tools };
  const go = await findOnPath('go', environment);
  if (go === undefined) throw new Error('There is no Go, which builds the server: install Go 1.25 or newer.');
  mkdirSync(tools, { recursive: true });
  const module = 'go.temporal.io/server';
  console.log(`Building the server ${version}: go install ${module}. This takes some minutes, once.`);
  const options = { env: { ...environment, GOBIN: tools }, timeout: BUILD_TIMEOUT_MS };
  await run(go, ['install', `${module}/cmd/server@v${version}`, `${module}/cmd/tools/sql@v${version}`], options);
  const { stdout } = await run(go, ['env', 'GOMODCACHE'], options);
  // Last, since this file shows that everything is there.
  cpSync(join(stdout.trim(), `${module}@v${version}`, 'config/docker.yaml'), join(root, 'config/docker.yaml'));
  return { root, tools };
}

async function startPostgres(bin: string, folder: string, port: number): Promise<ChildProcess> {
  const data = join(folder, 'data');
  const owner = await postgresOwner();
  if (owner) await chown(folder, owner.uid, owner.gid);
  const options = { cwd: folder, env: { PATH: environment['PATH'] ?? '', LC_ALL: 'C' }, ...owner };
  await run(
    join(bin, 'initdb'),
    ['--pgdata', data, '--username', USER, '--auth', 'trust', '--encoding', 'UTF8'],
    options,
  );
  // The data does not outlive the tests, so PostgreSQL need not wait for the disk.
  const settings = [
    'fsync=off',
    'max_connections=300',
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
  ];
  const args = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
  return spawn(join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
}

async function untilReady(bin: string, port: number, postgres: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      const at = ['--host', '127.0.0.1', '--port', String(port)];
      return void (await run(join(bin, 'pg_isready'), at, { env: environment }));
    } catch (error) {
      if (Date.now() > deadline || postgres.exitCode !== null) throw error;
      await sleep(200);
    }
  }
}

/** PostgreSQL refuses to run as root. */
async function postgresOwner(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string): Promise<number> => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
}

/** Runs the script of docker-compose.yml. It finds the schema tool under its name in the image. */
async function createTemplates(folder: string, port: number, path: string): Promise<[string, string]> {
  const names = join(folder, 'bin');
  mkdirSync(names);
  const sql = await findOnPath('sql', { PATH: path });
  if (sql === undefined) throw new Error('the schema tool was not built');
  cpSync(sql, join(names, 'temporal-sql-tool'));
  const env = {
    PATH: [names, path].join(delimiter),
    SQL_PLUGIN: 'postgres12',
    SQL_HOST: '127.0.0.1',
    SQL_PORT: String(port),
    SQL_USER: USER,
    SQL_PASSWORD: 'none',
  };
  await run('sh', [join(packageDir, 'docker/setup-database.sh')], { env });
  return ['temporal', 'temporal_visibility'];
}
