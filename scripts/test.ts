/**
 * `npm test` runs the gates and then every suite, whatever failed before. At the end it prints what failed and
 * `N passed, N failed`. `--full` adds the suites that take long.
 *
 * A gate counts as one test, and so does a file that crashes. The exit code is 1 if anything failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { packageDir } from '../src/package-info.ts';
import { findServerProgram } from '../src/server/program.ts';
import type { Counts } from './counting-reporter.ts';

/** They need no server, so they run together in one process. */
const FAST_FOLDERS = ['unit', 'workflow', 'replay'];
/** Each file has servers and workers of its own, so it runs in a process of its own unless it is in one of the sets below. */
const SLOW_FOLDERS = ['chaos', 'integration'];
/**
 * Files that run one after another on one server with one worker; a folder stands for all its files. They count no
 * sessions of others, and find their worker as it was started.
 */
const SHARED_WORLDS = [
  'engine',
  'people/approvals people/budgets people/edited-arguments people/forms people/outcomes people/plan-editing people/rules people/shown-whole',
  'context context-ownership stranger web-ui',
  'chat client session-files session-states turns',
  'fuzz/cli fuzz/large fuzz/messages fuzz/starts mcp-odd private-files replay',
  'gateway/access gateway/events gateway/files gateway/webhooks',
  'bad-input economy fairness follow service-example states steering stream streaming',
].map((names) => names.split(' ').map((name) => join(packageDir, 'test/integration', name)));
/** They take over a minute each beside three others, most of it waiting. They start first, so that none runs alone at the end. */
const LONGEST = [
  'integration/clients-anywhere',
  'integration/operators',
  'integration/service',
  'integration/people/pending',
  'integration/server-choice',
  'integration/people/configure',
  'integration/client-alone',
  'integration/encryption',
  'integration/cli',
  'integration/own-tools',
  'chaos/crash-matrix',
  'integration/agent-lifetime',
  'integration/models/server-requests',
  'integration/people/decisions-cli',
  'integration/guide',
  'integration/page/session',
  'integration/examples',
  'integration/agent-cache',
].map((name) => join(packageDir, 'test', `${name}.test.ts`));
/** Processes at a time. They wait for more than half of their time, so this many keep two cores busy. */
const AT_ONCE = 4;
const OTHER_FOLDERS = ['helpers'];

/** What Mocha loads so that they do. */
const SHARING = join(packageDir, 'test/helpers/shared-worlds.ts');

interface Suite {
  readonly name: string;
  /** Absolute paths. Without any the suite fails, since every suite has some. */
  readonly files: readonly string[];
  /** Of Mocha. */
  readonly options?: readonly string[];
}

interface Outcome extends Counts {
  readonly name: string;
  readonly seconds: number;
}

const NOTHING_RUN = { succeeded: false, output: 'There are no files.\n' };

const isFull = process.argv.includes('--full');
const environment = testEnvironment();
const outcomes: Outcome[] = [];

await gate('types', () => run('tsc', ['-p', '.']));
await gate('types of the page', () => run('tsc', ['-p', 'src/page']));
await gate('lint', () => run('oxlint', ['--type-aware', '--deny-warnings']));
await gate('format', () => run('oxfmt', ['--check']));
// Tests start the built program, which starts in a quarter of the time.
await gate('build', () => run('npm', ['run', 'build', '--silent']));
// Before the tests: getting the program may take minutes, and a test may not.
await gate('Temporal server', hasServerProgram);
const slow = [...SLOW_FOLDERS, ...(isFull ? fullFolders() : [])].flatMap(testFiles);
const sets = SHARED_WORLDS.map((names) =>
  slow.filter((file) => names.some((name) => file === `${name}.test.ts` || file.startsWith(`${name}/`))),
);
const suites: Suite[] = [
  { name: FAST_FOLDERS.join(', '), files: FAST_FOLDERS.flatMap(testFiles) },
  ...sets.map((files) => ({ name: nameSet(files), files, options: ['--require', SHARING] })),
  ...slow
    .filter((file) => !sets.flat().includes(file))
    .toSorted((one, other) => Number(LONGEST.includes(other)) - Number(LONGEST.includes(one)))
    .map((file) => ({ name: relative(packageDir, file), files: [file] })),
];
await Promise.all(Array.from({ length: AT_ONCE }, runSuites));
report();

/** Runs suites from the list until none is left. */
async function runSuites(): Promise<void> {
  for (let next = suites.shift(); next !== undefined; next = suites.shift()) await runSuite(next);
}

/**
 * Without the caller's settings, which could lead tests to another server or to a model that costs money. Every tool
 * runs on the Node that runs this script: npm puts the one of node_modules first.
 */
function testEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(COPILOT|TEMPORAL|OPENAI|AGENT)_/;
  const kept = Object.entries(process.env).filter(([name]) => name === 'COPILOT_CACHE_DIR' || !foreign.test(name));
  return {
    ...Object.fromEntries(kept),
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
    // Mocha compiles the same files for every suite.
    NODE_COMPILE_CACHE: join(packageDir, 'node_modules/.cache/node-compile'),
    COPILOT_TEST_BUILT: '1',
    // Each file has a Temporal server. With one thread and few collections it takes a seventh less of the processor.
    GOMAXPROCS: '1',
    GOGC: '400',
    ...(isFull ? { COPILOT_TEST_FULL: '1' } : {}),
  };
}

async function gate(name: string, check: () => Promise<boolean>): Promise<void> {
  const startedAt = announce(name);
  const passed = await check();
  record({
    name,
    passed: Number(passed),
    failed: Number(!passed),
    skipped: [],
    failures: passed ? [] : [name],
    seconds: since(startedAt),
  });
}

async function runSuite({ name, files, options = [] }: Suite): Promise<void> {
  const startedAt = Date.now();
  const folder = await mkdtemp(join(tmpdir(), 'copilot-counts-'));
  try {
    const file = join(folder, 'counts.json');
    const reporting = [
      '--reporter',
      join(packageDir, 'scripts/counting-reporter.ts'),
      '--reporter-option',
      `counts=${file}`,
    ];
    const { succeeded, output } = files.length > 0 ? await collect([...options, ...reporting, ...files]) : NOTHING_RUN;
    // At once, since another suite may run at the same time.
    announce(name);
    process.stdout.write(output);
    record({ name, ...(await readCounts(file, succeeded, name)), seconds: since(startedAt) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readCounts(file: string, succeeded: boolean, name: string): Promise<Counts> {
  const crashed: Counts = { passed: 0, failed: 1, skipped: [], failures: [`${name}: crashed, or has no tests`] };
  if (!existsSync(file)) return crashed;
  const counts = JSON.parse(await readFile(file, 'utf8')) as Counts; // written by our reporter
  return succeeded || counts.failed > 0 ? counts : { ...counts, failed: 1, failures: [`${name}: ended with an error`] };
}

/** Runs npm or a tool of node_modules, which prints to our output. Returns whether it succeeded. */
async function run(tool: string, args: readonly string[]): Promise<boolean> {
  const child = spawn(tool === 'npm' ? tool : join(packageDir, 'node_modules/.bin', tool), args, {
    cwd: packageDir,
    stdio: 'inherit',
    env: environment,
  });
  const [code] = await once(child, 'exit');
  return code === 0;
}

/** Runs mocha and collects its output. */
async function collect(args: readonly string[]): Promise<{ succeeded: boolean; output: string }> {
  const child = spawn(join(packageDir, 'node_modules/.bin/mocha'), args, {
    cwd: packageDir,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [code] = await once(child, 'close');
  return { succeeded: code === 0, output };
}

async function hasServerProgram(): Promise<boolean> {
  try {
    // Go uses all processors to build it.
    const { GOMAXPROCS: _, GOGC: __, ...rest } = environment;
    await findServerProgram(loadConfig(rest), (line) => console.log(line));
    return true;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return false;
  }
}

function testFiles(folder: string): string[] {
  const path = join(packageDir, 'test', folder);
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(path, name));
}

/** Such as `test/integration: client, turns`. */
function nameSet(files: readonly string[]): string {
  return `test/integration: ${files.map((file) => basename(file, '.test.ts')).join(', ')}`;
}

/** Folders with tests that only run with `--full`. */
function fullFolders(): string[] {
  const known = [...FAST_FOLDERS, ...SLOW_FOLDERS, ...OTHER_FOLDERS];
  const folders = readdirSync(join(packageDir, 'test'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .map(({ name }) => name)
    .filter((name) => !known.includes(name))
    .sort();
}

function announce(name: string): number {
  console.log(`\n== ${name}`);
  return Date.now();
}

function record(outcome: Outcome): void {
  outcomes.push(outcome);
  console.log(summary(outcome));
}

function summary({ name, passed, failed, skipped, seconds }: Outcome): string {
  return `${name}: ${passed} passed, ${failed} failed${skipped.length === 0 ? '' : `, ${skipped.length} skipped`} (${seconds} s)`;
}

function since(startedAt: number): number {
  return Math.round((Date.now() - startedAt) / 1_000);
}

function report(): void {
  const sum = (count: 'passed' | 'failed'): number => outcomes.reduce((total, outcome) => total + outcome[count], 0);
  const skipped = outcomes.flatMap((outcome) => outcome.skipped);
  console.log(`\n== all, on Node ${process.versions.node}`);
  for (const outcome of outcomes) console.log(summary(outcome));
  for (const failure of outcomes.flatMap(({ failures }) => failures)) console.log(`failed: ${failure}`);
  for (const test of skipped) console.log(`SKIPPED: ${test}`);
  if (skipped.length > 0) console.log(`${skipped.length} skipped`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
}
