/**
 * `npm run test:postgres` runs the integration tests on the server of docker-compose.yml, but without Docker: with this
 * machine's PostgreSQL, and with Temporal's server built once from source through the Go module proxy. Arguments are test
 * files. Without any, it runs all tests but those of parts that only the program's own server has.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
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
/** Test files at a time, as in `npm test`. */
const AT_ONCE = 2;
/** These start their own servers, read the SQLite file or use the development server's Web UI. */
const OWN_SERVER = [
  'cli',
  'doctor',
  'encryption',
  'own-server',
  'server',
  'web-ui',
  'fuzz/cli',
  'people/decisions-cli',
];

const config = loadConfig(
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(COPILOT_(?!CACHE)|TEMPORAL|OPENAI|AGENT)/.test(name)),
  ),
);
const { environment } = config.temporal;
const folder = await mkdtemp(join(tmpdir(), 'copilot-postgres-'));
let postgres: ChildProcess | undefined;
try {
  const bin = await postgresPrograms();
  const path = [bin, environment['PATH']].join(delimiter);
  const { root, tools } = await temporalPrograms();
  const port = await startPostgres(bin);
  const templates = await createTemplates(port, [tools, path].join(delimiter));
  const temporal = await findServerProgram(config, (line) => console.log(line));
  const tests: PostgresTests = { port, user: USER, templates, server: join(tools, 'server'), root, temporal, path };
  // As in `npm test`, tests start the built program.
  await run('npm', ['run', 'build', '--silent'], { cwd: packageDir, env: environment });
  const failed = await runFiles(process.argv.length > 2 ? process.argv.slice(2) : await integrationTests(), tests);
  console.log(failed.length === 0 ? 'passed on PostgreSQL' : `failed on PostgreSQL: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} finally {
  if (postgres) {
    postgres.kill('SIGINT');
    await once(postgres, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
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

/** @returns its port */
async function startPostgres(bin: string): Promise<number> {
  const data = join(folder, 'data');
  const port = await getPort({ host: '127.0.0.1' });
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
  postgres = spawn(join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await run(join(bin, 'pg_isready'), ['--host', '127.0.0.1', '--port', String(port)], options);
      return port;
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
async function createTemplates(port: number, path: string): Promise<[string, string]> {
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

async function integrationTests(): Promise<string[]> {
  const path = join(packageDir, 'test/integration');
  const names = await readdir(path, { recursive: true });
  return names
    .filter((name) => name.endsWith('.test.ts') && !OWN_SERVER.includes(name.replace(/\.test\.ts$/, '')))
    .sort()
    .map((name) => join(path, name));
}

/** Prints the output of each file at its end. @returns the files that failed */
async function runFiles(files: readonly string[], tests: PostgresTests): Promise<string[]> {
  const failed: string[] = [];
  const left = [...files];
  const runLeft = async (): Promise<void> => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      if (!(await passes(file, tests))) failed.push(relative(packageDir, file));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runLeft));
  return failed;
}

async function passes(file: string, tests: PostgresTests): Promise<boolean> {
  const child = spawn(join(packageDir, 'node_modules/.bin/mocha'), [file], {
    cwd: packageDir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...environment, COPILOT_TEST_BUILT: '1', COPILOT_TEST_POSTGRES: JSON.stringify(tests) },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [code] = await once(child, 'close');
  console.log(`\n== ${relative(packageDir, file)}\n${output}`);
  return code === 0;
}
