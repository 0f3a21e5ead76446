/**
 * `npm test` runs the gates and every suite, whatever failed before. At the end it prints what failed and
 * `N passed, N failed`. `--full` adds what takes long. With arguments it runs only entries whose names have one of them
 * in it: `npm test -- unit people/configure`.
 *
 * A gate counts as one test, and so does a file that crashes. The exit code is 1 if anything failed. Beside each name
 * stands how long it took, and how much of the processor.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { packageDir } from '../src/package-info.ts';
import { findServerProgram } from '../src/server/program.ts';
import type { Counts } from './counting-reporter.ts';

/** They need no server, so the files of each run together in one process. A file belongs to the first that has it. */
const FAST_FOLDERS = [['unit/tables', 'unit/tools'], ['unit'], ['workflow', 'replay']];
/** Each file has servers and workers of its own, so it runs in a process of its own unless it is in one of the sets below. */
const SLOW_FOLDERS = ['chaos', 'integration'];
/**
 * Files that run one after another, in this order, on one server, those that start their worker alike with one worker; a
 * folder stands for all its files. They find their worker as it was started, and only the first may count all sessions.
 * Those that take long stand first, so that none runs alone at the end.
 */
const SHARED_WORLDS = [
  'models third-party-model',
  'people/approvals people/budgets people/edited-arguments people/forms people/outcomes people/plan-editing people/shown-whole people/rules people/pending chaos/crash-matrix chaos/kill-at-effect',
  'people/decisions-cli people/terminal gateway/chats gateway/openai gateway/access gateway/attached gateway/attacks gateway/events gateway/limits',
  'replay people/configure mcp-trust mcp mcp-odd chat client session-files session-states turns service',
  'engine gateway/openai-chat gateway/openai-conversations early-query chaos/archive',
  'agent-cache chaos/bad-days chaos/bad-days-load fuzz/unreadable encryption agent-lifetime connect-options',
  'bad-input economy fairness follow service-example states steering stream streaming context context-ownership stranger web-ui',
  'list doctor client-alone agents-cli',
  'fuzz/cli fuzz/large fuzz/messages fuzz/starts private-files gateway/files gateway/rest gateway/webhooks',
  'page/files page/forms page/quality page/safety page/session page/sign-in data-analysis direct-text traces workflow-threads',
  'backup durability session-service session-info agents cli chaos/followers',
  'offline-features probes server own-server two-workers',
  'server-choice own-tools code-runner payload-store',
  'chaos/drain chaos/freeze chaos/long-session chaos/upgrade',
  'examples guide',
  'operators clients-anywhere',
  'installed installed-service',
].map((names) =>
  names.split(' ').map((name) => join(packageDir, 'test', name.startsWith('chaos/') ? '' : 'integration', name)),
);
/** Processes at a time. They wait for more than half of their time, so this many keep two cores busy. */
const AT_ONCE = 8;
const OTHER_FOLDERS = ['helpers'];

/** What Mocha loads so that they do. */
const SHARING = join(packageDir, 'test/helpers/shared-worlds.ts');

interface Gate {
  readonly name: string;
  /** A tool of node_modules, or npm, and its arguments. */
  readonly command: readonly [tool: string, ...args: string[]];
}

interface Suite {
  readonly name: string;
  /** Absolute paths. Without any the suite fails, since every suite has some. */
  readonly files: readonly string[];
  /** Of Mocha. */
  readonly options?: readonly string[];
  /** Its tests start no Temporal server. */
  readonly isServerless?: true;
}

interface Outcome extends Counts {
  readonly name: string;
  readonly seconds: number;
  /** Of the processor, by the entry and what it started and saw end. */
  readonly cpuSeconds: number;
}

interface Ended {
  readonly succeeded: boolean;
  readonly output: string;
  readonly cpuSeconds: number;
}

const NOTHING_RUN: Ended = { succeeded: false, output: 'There are no files.\n', cpuSeconds: 0 };
/** Runs the command after a file's name, and writes into that file what the shell and its children took of the processor. */
const TIMED = 'file=$1; shift; "$@"; code=$?; times >"$file"; exit $code';

const beganAt = Date.now();
const parts = process.argv.slice(2).filter((argument) => argument !== '--full');
const isFull = process.argv.includes('--full');
const environment = testEnvironment();
const outcomes: Outcome[] = [];

const gates: readonly Gate[] = [
  { name: 'types', command: ['tsc', '-p', '.'] },
  { name: 'types of the page', command: ['tsc', '-p', 'src/page'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'format', command: ['oxfmt', '--check'] },
];
const slow = [...SLOW_FOLDERS, ...(isFull ? fullFolders() : [])].flatMap(testFiles);
const sets = SHARED_WORLDS.map((names) =>
  names.flatMap((name) => slow.filter((file) => file === `${name}.test.ts` || file.startsWith(`${name}/`))),
);
const suites: Suite[] = [
  ...FAST_FOLDERS.map((folders, index) => ({
    name: folders.join(', '),
    files: folders.flatMap(testFiles).filter((file) => !isIn(FAST_FOLDERS.slice(0, index).flat(), file)),
    isServerless: true as const,
  })),
  ...sets.map((files) => ({ name: nameSet(files), files, options: ['--require', SHARING] })),
  ...slow.filter((file) => !sets.flat().includes(file)).map((file) => ({ name: nameSet([file]), files: [file] })),
];
const entries = [...gates, ...suites].filter(
  ({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)),
);
if (entries.length === 0) throw new Error(`No entry has ${parts.join(' or ')} in its name.`);
/** Tests start the built program, which starts in a quarter of the time. */
const built = runGate({ name: 'build', command: ['npm', 'run', 'build', '--silent'] });
/** Before the tests that need it: getting the program may take minutes, and a test may not. */
const served = getServerProgram();
await Promise.all([served, ...Array.from({ length: AT_ONCE }, runEntries)]);
report();

/** Runs entries from the list until none is left. */
async function runEntries(): Promise<void> {
  for (let next = entries.shift(); next !== undefined; next = entries.shift()) {
    if ('command' in next) {
      await runGate(next);
      continue;
    }
    await built;
    if (!next.isServerless) await served;
    await runSuite(next);
  }
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

async function runGate({ name, command: [tool, ...args] }: Gate): Promise<void> {
  const startedAt = Date.now();
  recordGate(name, startedAt, await run(tool === 'npm' ? tool : toolPath(tool), args));
}

function recordGate(name: string, startedAt: number, { succeeded, output, cpuSeconds }: Ended): void {
  const counts: Counts = {
    passed: Number(succeeded),
    failed: Number(!succeeded),
    skipped: [],
    failures: succeeded ? [] : [name],
  };
  record({ name, ...counts, seconds: since(startedAt), cpuSeconds }, output);
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
    const { succeeded, output, cpuSeconds } =
      files.length > 0 ? await run(toolPath('mocha'), [...options, ...reporting, ...files]) : NOTHING_RUN;
    const counts = await readCounts(file, succeeded, name);
    record({ name, ...counts, seconds: since(startedAt), cpuSeconds }, output);
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

function toolPath(tool: string): string {
  return join(packageDir, 'node_modules/.bin', tool);
}

/** Runs a command and collects its output, since others run at the same time. */
async function run(command: string, args: readonly string[]): Promise<Ended> {
  const folder = await mkdtemp(join(tmpdir(), 'copilot-times-'));
  try {
    const times = join(folder, 'times');
    const child = spawn('sh', ['-c', TIMED, 'sh', times, command, ...args], {
      cwd: packageDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment,
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const [code] = await once(child, 'close');
    return {
      succeeded: code === 0,
      output,
      cpuSeconds: existsSync(times) ? readTimes(await readFile(times, 'utf8')) : 0,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Of all times that the shell printed, such as `1m23.45s`. */
function readTimes(times: string): number {
  const parts = [...times.matchAll(/(\d+)m([\d.]+)s/g)];
  return Math.round(parts.reduce((total, [, minutes, seconds]) => total + Number(minutes) * 60 + Number(seconds), 0));
}

async function getServerProgram(): Promise<void> {
  const startedAt = Date.now();
  try {
    // Go uses all processors to build it.
    const { GOMAXPROCS: _, GOGC: __, ...rest } = environment;
    await findServerProgram(loadConfig(rest), (line) => console.log(line));
    recordGate('Temporal server', startedAt, { succeeded: true, output: '', cpuSeconds: 0 });
  } catch (error) {
    const output = `${error instanceof Error ? error.message : String(error)}\n`;
    recordGate('Temporal server', startedAt, { succeeded: false, output, cpuSeconds: 0 });
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

function isIn(folders: readonly string[], file: string): boolean {
  return folders.some((folder) => file.startsWith(join(packageDir, 'test', folder, '/')));
}

/** Such as `client, people/forms, chaos/drain`. */
function nameSet(files: readonly string[]): string {
  const tests = join(packageDir, 'test');
  return files.map((file) => relative(tests, file).replace(/^integration\/|\.test\.ts$/g, '')).join(', ');
}

/** Folders with tests that only run with `--full`. */
function fullFolders(): string[] {
  const known = [...FAST_FOLDERS.flat(), ...SLOW_FOLDERS, ...OTHER_FOLDERS];
  const folders = readdirSync(join(packageDir, 'test'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .map(({ name }) => name)
    .filter((name) => !known.includes(name))
    .sort();
}

/** Prints what an entry printed. */
function record(outcome: Outcome, output: string): void {
  outcomes.push(outcome);
  console.log(`\n== ${outcome.name}`);
  process.stdout.write(output);
  console.log(summary(outcome));
}

function summary({ name, passed, failed, skipped, seconds, cpuSeconds }: Outcome): string {
  const left = skipped.length === 0 ? '' : `, ${skipped.length} skipped`;
  return `${name}: ${passed} passed, ${failed} failed${left} (${seconds} s, processor ${cpuSeconds} s)`;
}

function since(startedAt: number): number {
  return Math.round((Date.now() - startedAt) / 1_000);
}

function report(): void {
  const total = (count: 'passed' | 'failed' | 'cpuSeconds'): number =>
    outcomes.reduce((sum, outcome) => sum + outcome[count], 0);
  const skipped = outcomes.flatMap((outcome) => outcome.skipped);
  console.log(`\n== all, on Node ${process.versions.node}`);
  for (const outcome of outcomes) console.log(summary(outcome));
  console.log(`${since(beganAt)} s, processor ${total('cpuSeconds')} s`);
  for (const failure of outcomes.flatMap(({ failures }) => failures)) console.log(`failed: ${failure}`);
  for (const test of skipped) console.log(`SKIPPED: ${test}`);
  if (skipped.length > 0) console.log(`${skipped.length} skipped`);
  console.log(`${total('passed')} passed, ${total('failed')} failed`);
  process.exitCode = total('failed') === 0 ? 0 : 1;
}
