/**
 * `npm run test:postgres` runs the integration tests on the server of docker-compose.yml, but without Docker. Arguments are
 * test files. Without any, it runs all tests but those of parts that only the program's own server has.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../src/package-info.ts';
import type { PostgresTests } from '../test/helpers/postgres-server.ts';
import { environment, startNativePostgres } from './native-postgres.ts';

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

const postgres = await startNativePostgres();
try {
  // As in `npm test`, tests start the built program.
  await promisify(execFile)('npm', ['run', 'build', '--silent'], { cwd: packageDir, env: environment });
  const files = process.argv.length > 2 ? process.argv.slice(2) : await integrationTests();
  const failed = await runFiles(files, postgres.tests);
  console.log(failed.length === 0 ? 'passed on PostgreSQL' : `failed on PostgreSQL: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} finally {
  await postgres.stop();
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
