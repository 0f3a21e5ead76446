/**
 * A Temporal server on PostgreSQL, with the settings of docker-compose.yml, for `npm run test:postgres`: what that has
 * built and started is named by `COPILOT_TEST_POSTGRES`.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { z } from 'zod';
import { packageDir } from '../../src/package-info.ts';
import { guideCommands, runInShell } from './operations-guide.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

const SETUP_TIMEOUT_MS = 60_000;
const PORTS = [
  ...['FRONTEND', 'HISTORY', 'MATCHING', 'WORKER'].flatMap((name) => [`${name}_GRPC_PORT`, `${name}_MEMBERSHIP_PORT`]),
  'FRONTEND_HTTP_PORT',
];

/** What `scripts/test-postgres.ts` gives to tests. */
export const PostgresTests = z.object({
  port: z.int(),
  user: z.string(),
  /** Databases with the schema and nothing in them, to be copied: of the history, and of visibility. */
  templates: z.tuple([z.string(), z.string()]),
  /** The server's program. */
  server: z.string(),
  /** Folder with `config/docker.yaml` of that version. */
  root: z.string(),
  /** The program `temporal`, which sets the namespace up. */
  temporal: z.string(),
  /** PATH for `createdb`, `psql` and a shell. */
  path: z.string(),
});
export type PostgresTests = z.infer<typeof PostgresTests>;

const Service = z.object({ environment: z.record(z.string(), z.string()) });
const Compose = z.object({ services: z.object({ temporal: Service, 'namespace-setup': Service }) });

/** Undefined in any other run of tests. */
export function postgresTests(): PostgresTests | undefined {
  const given = process.env['COPILOT_TEST_POSTGRES'];
  return given === undefined ? undefined : PostgresTests.parse(JSON.parse(given));
}

export interface PostgresServer {
  readonly address: string;
  /** Of its HTTP API, which the Web UI passes on. */
  readonly httpUrl: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same databases and ports. */
  restart(): Promise<void>;
  /** Bytes of both databases by table, indexes included. */
  tableBytes(): Promise<Readonly<Record<string, number>>>;
  /** While it runs. */
  backUp(folder: string): Promise<void>;
  /** Drops its databases, and starts again with those of the backup. */
  restore(folder: string): Promise<void>;
}

/** Starts a server with databases of its own, which stay until the whole of PostgreSQL goes. */
export async function startPostgresServer(tests: PostgresTests): Promise<PostgresServer> {
  const { services } = Compose.parse(parse(readFileSync(join(packageDir, 'docker-compose.yml'), 'utf8')));
  const ports = Object.fromEntries(
    await Promise.all(PORTS.map(async (name) => [name, String(await freePort())] as const)),
  );
  const [database, visibility] = await copyDatabases(tests);
  const env = {
    ...services.temporal.environment,
    ...ports,
    PATH: tests.path,
    POSTGRES_SEEDS: '127.0.0.1',
    DB_PORT: String(tests.port),
    VISIBILITY_DB_PORT: String(tests.port),
    POSTGRES_USER: tests.user,
    POSTGRES_PWD: 'none',
    DBNAME: database,
    VISIBILITY_DBNAME: visibility,
    DYNAMIC_CONFIG_FILE_PATH: join(packageDir, 'docker/dynamic-config.yaml'),
    TEMPORAL_BROADCAST_ADDRESS: '127.0.0.1',
    BIND_ON_IP: '127.0.0.1',
    LOG_LEVEL: 'error',
  };
  const address = `127.0.0.1:${ports['FRONTEND_GRPC_PORT']}`;
  let log = '';
  const start = (): ChildProcess => {
    const args = ['--root', tests.root, '--env', 'docker', '--allow-no-auth', 'start'];
    const child = spawn(tests.server, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-4_000)));
    }
    return child;
  };
  let server = start();
  // As SIGKILL ends a test, it ends the server of a test.
  process.once('exit', () => server.kill('SIGKILL'));
  const setup = {
    ...services['namespace-setup'].environment,
    PATH: `${dirname(tests.temporal)}:${tests.path}`,
    HOME: tests.root,
    TEMPORAL_ADDRESS: address,
  };
  try {
    const script = join(packageDir, 'docker/setup-namespace.sh');
    await run('sh', [script], { env: setup, timeout: SETUP_TIMEOUT_MS });
  } catch (cause) {
    server.kill('SIGKILL');
    throw new Error(`The server on PostgreSQL is not ready after ${SETUP_TIMEOUT_MS} ms: ${log}`, { cause });
  }
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  const at = { PATH: tests.path, PGHOST: '127.0.0.1', PGPORT: String(tests.port), PGUSER: tests.user };
  /** The commands of docs/operations.md that begin so, for these databases. */
  const asInGuide = async (folder: string, beginning: RegExp): Promise<void> => {
    const names: Readonly<Record<string, string>> = { temporal: database, temporal_visibility: visibility };
    for (const command of guideCommands('Backup and restore').filter((line) => beginning.test(line)))
      await runInShell(
        command.replaceAll(/\btemporal(_visibility)?\b/g, (name) => names[name] ?? name),
        at,
        folder,
      );
  };
  return {
    address,
    httpUrl: `http://127.0.0.1:${ports['FRONTEND_HTTP_PORT']}`,
    kill,
    restart: async () => {
      await kill();
      server = start();
    },
    tableBytes: async () => {
      const query = `SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'`;
      const sizes = ['--tuples-only', '--no-align', '--field-separator', ' ', '--command', query];
      const read = (name: string) => run('psql', ['--dbname', name, ...sizes], { env: at });
      const printed = await Promise.all([database, visibility].map(read));
      const rows = printed.flatMap(({ stdout }) => stdout.trim().split('\n')).map((line) => line.split(' '));
      return Object.fromEntries(rows.map(([name = '', bytes]) => [name, Number(bytes)]));
    },
    backUp: (folder) => asInGuide(folder, /^pg_dump /),
    restore: async (folder) => {
      await kill();
      await asInGuide(folder, /^(dropdb|pg_restore) /);
      server = start();
    },
  };
}

async function copyDatabases({ port, user, templates, path }: PostgresTests): Promise<[string, string]> {
  const mark = `${process.pid}_${Date.now().toString(36)}`;
  const names: [string, string] = [`temporal_${mark}`, `visibility_${mark}`];
  for (const [index, name] of names.entries()) {
    const at = ['--host', '127.0.0.1', '--port', String(port), '--username', user];
    await run('createdb', [...at, '--template', templates[index] ?? '', name], { env: { PATH: path } });
    // The server looks for its schema's version under the name of the database.
    const rename = `UPDATE schema_version SET db_name = '${name}'`;
    await run('psql', [...at, '--dbname', name, '--command', rename], { env: { PATH: path } });
  }
  return names;
}
