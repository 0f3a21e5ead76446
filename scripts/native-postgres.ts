/**
 * The server of docker-compose.yml without Docker: with this machine's PostgreSQL, and with Temporal's server built once
 * from source through the Go module proxy.
 */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { loadConfig } from '../src/config.ts';
import { packageDir } from '../src/package-info.ts';
import { findOnPath, findServerProgram } from '../src/server/program.ts';
import type { PostgresTests } from '../test/helpers/postgres-server.ts';
import { startPostgres } from '../test/helpers/postgres.ts';

const run = promisify(execFile);

const USER = 'temporal';
/** The data does not outlive the tests, so PostgreSQL need not wait for the disk. */
const SETTINGS = ['fsync=off', 'max_connections=300'];
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
  const postgres = await startPostgres(USER, SETTINGS, environment);
  const stop = (): Promise<void> => postgres.stop();
  try {
    const { port, bin } = postgres;
    const path = [bin, environment['PATH']].join(delimiter);
    const { root, tools } = await temporalPrograms();
    const templates = await createTemplates(port, [tools, path].join(delimiter));
    const temporal = await findServerProgram(config, (line) => console.log(line));
    return { tests: { port, user: USER, templates, server: join(tools, 'server'), root, temporal, path }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
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

/** Runs the script of docker-compose.yml. It finds the schema tool under its name in the image. */
async function createTemplates(port: number, path: string): Promise<[string, string]> {
  const names = await mkdtemp(join(tmpdir(), 'copilot-schema-tool-'));
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
  await rm(names, { recursive: true });
  return ['temporal', 'temporal_visibility'];
}
