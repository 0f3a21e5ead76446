/** A real Temporal server of a test's own: free ports, a temporary home, gone with the test process. */
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, loadConfig } from '../../src/config.ts';
import { ensureServer, type RunningServer } from '../../src/server/ensure-server.ts';
import { isAlive } from '../../src/connection/address/home-server.ts';
import { postgresTests, type PostgresTests, startPostgresServer } from './postgres-server.ts';
import { freePort } from './ports.ts';

export interface TestServer {
  /** `host:port`, the same after a restart. */
  readonly address: string;
  readonly uiUrl: string;
  /** Temporary folder with the server's database and log; removed by `stop`. */
  readonly homeDir: string;
  /** SIGKILL, as a crash would; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same file and ports, ending it first where it still runs. */
  restart(): Promise<void>;
  /** Bytes of its database by table, indexes included. It may run. */
  tableBytes(): Promise<Readonly<Record<string, number>>>;
  /** Backs its database up, as docs/operations.md says. It runs afterwards. */
  backUp(folder: string): Promise<void>;
  /** Loses its database, and starts again with that of the backup. */
  restore(folder: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startTestServer(): Promise<TestServer> {
  const postgres = postgresTests();
  return postgres ? await onPostgres(postgres) : await onSqlite();
}

async function onSqlite(): Promise<TestServer> {
  const homeDir = await temporaryFolder();
  const config = isolatedConfig(homeDir);
  const port = await freePort();
  const uiPort = await freePort();
  const start = (): Promise<RunningServer> => ensureServer(config, { port, uiPort });
  let server = await start();
  const kill = async (): Promise<void> => {
    if (server.pid !== undefined) await killProcess(server.pid);
  };
  return {
    address: server.address,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    homeDir,
    kill,
    restart: async () => {
      await server.stop();
      server = await start();
    },
    tableBytes: () => sqliteTables(join(homeDir, 'temporal.db')),
    backUp: async (folder) => {
      await server.stop();
      for (const file of await databaseFiles(homeDir)) await copyFile(join(homeDir, file), join(folder, file));
      server = await start();
    },
    restore: async (folder) => {
      await kill();
      for (const file of await databaseFiles(homeDir)) await rm(join(homeDir, file));
      for (const file of await databaseFiles(folder)) await copyFile(join(folder, file), join(homeDir, file));
      await server.stop();
      server = await start();
    },
    stop: async () => {
      // A graceful end takes over a second, and nothing of the database is kept.
      await kill();
      await server.stop();
      await rm(homeDir, { recursive: true, force: true });
    },
  };
}

/** SQLite may keep changes beside the file. */
async function databaseFiles(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('temporal.db'));
}

async function sqliteTables(file: string): Promise<Record<string, number>> {
  // Node prints that it is experimental whenever it is loaded.
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database.prepare('SELECT name, SUM(pgsize) AS bytes FROM dbstat GROUP BY name').all();
    return Object.fromEntries(rows.map(({ name, bytes }) => [String(name), Number(bytes)]));
  } finally {
    database.close();
  }
}

async function onPostgres(tests: PostgresTests): Promise<TestServer> {
  const homeDir = await temporaryFolder();
  const server = await startPostgresServer(tests);
  return {
    address: server.address,
    uiUrl: server.httpUrl,
    homeDir,
    kill: () => server.kill(),
    restart: () => server.restart(),
    tableBytes: () => server.tableBytes(),
    backUp: (folder) => server.backUp(folder),
    restore: (folder) => server.restore(folder),
    stop: async () => {
      await server.kill();
      await rm(homeDir, { recursive: true, force: true });
    },
  };
}

/** The configuration of a program that knows no server but those of `homeDir`; `changes` replaces variables. */
export function isolatedConfig(homeDir: string, changes: Record<string, string> = {}): Config {
  const outside = Object.entries(loadConfig().temporal.environment).filter(([name]) => !name.startsWith('TEMPORAL_'));
  const noProfile = join(homeDir, 'no-profile.toml');
  return loadConfig({
    ...Object.fromEntries(outside),
    COPILOT_HOME: homeDir,
    TEMPORAL_CONFIG_FILE: noProfile,
    ...changes,
  });
}

export async function temporaryFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'copilot-test-'));
}

/** SIGKILL, resolves when the process is gone; nothing happens where it is gone already. */
export async function killProcess(pid: number): Promise<void> {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  await untilGone(pid);
}

/** @throws Error when the process still runs after `timeoutMs` */
export async function untilGone(pid: number, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new Error(`Process ${pid} still runs after ${timeoutMs} ms.`);
    await sleep(20);
  }
}
