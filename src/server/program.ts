/** Finds the server program: `temporal` on PATH, the cached one, a download or a build from source. */
import { execFile } from 'node:child_process';
import { access, constants, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Config } from '../config.ts';
import { buildServer } from './build.ts';
import { downloadServer } from './download.ts';
import { withLock } from './lock.ts';
import { noServer } from './unavailable.ts';

/** The newest version of the Temporal CLI that Go's module proxy can build. Later ones need a module that it lacks. */
export const SERVER_VERSION = 'v1.5.1';

/** Raised when the program is built in another way, so that the cached one is not used any more. */
const BUILD_REVISION = 3;

/** The program has 200 MB, which may have to come from a cold disk on a busy machine. */
const VERIFY_TIMEOUT_MS = 60_000;

export type Log = (line: string) => void;
export type Environment = Readonly<Record<string, string>>;

/** Path of the downloaded or built server program. */
export function cachedServerFile(config: Config): string {
  return join(config.cacheDir, 'temporal', `${SERVER_VERSION}-${BUILD_REVISION}`, 'temporal');
}

/**
 * Finds a server program that runs. If one is broken, the log names it and another one takes its place.
 * @throws CopilotError `ServerUnavailable`
 */
export async function findServerProgram(config: Config, log: Log): Promise<string> {
  const env = config.temporal.environment;
  const problems: string[] = [];
  const onPath = await findOnPath('temporal', env);
  if (onPath !== undefined) {
    const problem = await whyBroken(onPath, env);
    if (problem === undefined) return onPath;
    problems.push(`${onPath} does not run (${problem}).`);
    log(`${onPath} on PATH does not run (${problem}); looking for another Temporal server.`);
  }
  const cached = cachedServerFile(config);
  if ((await exists(cached)) && (await whyBroken(cached, env)) === undefined) return cached;
  const waiting = (pid: number): void => log(`Process ${pid} is getting the Temporal server already; waiting for it.`);
  return await withLock(`${dirname(cached)}.lock`, () => fillCache(cached, env, log, problems), waiting);
}

/**
 * What is wrong with a program. Undefined if it runs and prints its version.
 * @param file absolute path
 */
export async function whyBroken(file: string, env: Environment): Promise<string | undefined> {
  try {
    if ((await stat(file)).size === 0) return 'the file is empty';
    await access(file, constants.X_OK);
  } catch {
    return 'the file is not executable';
  }
  try {
    const { stdout } = await promisify(execFile)(file, ['--version'], { timeout: VERIFY_TIMEOUT_MS, env: { ...env } });
    return /version/i.test(stdout) ? undefined : '`--version` prints no version';
  } catch (error) {
    const { code, killed } = error as { code?: unknown; killed?: boolean }; // what execFile adds to its errors
    if (killed === true) return `\`--version\` took over ${VERIFY_TIMEOUT_MS / 1_000} s`;
    return typeof code === 'number'
      ? `\`--version\` ended with exit code ${code}`
      : `it cannot be started: ${String(code)}`;
  }
}

/** The first executable file of that name on the PATH in `env`. */
export async function findOnPath(name: string, env: Environment): Promise<string | undefined> {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const file = join(folder, name);
    if ((await exists(file)) && (await isExecutable(file))) return file;
  }
  return undefined;
}

/** Runs under the lock. Makes the program in a folder beside its place and renames it after it has run once. */
async function fillCache(cached: string, env: Environment, log: Log, problems: string[]): Promise<string> {
  if (await exists(cached)) {
    const problem = await whyBroken(cached, env);
    // Another process filled the cache while this one waited for the lock.
    if (problem === undefined) return cached;
    const aside = `${cached}.broken`;
    await rename(cached, aside);
    problems.push(`The Temporal server ${cached} does not run (${problem}); it was moved to ${aside}.`);
    log(`${problems.at(-1)} Getting a new one.`);
  }
  await mkdir(dirname(cached), { recursive: true });
  await removeLeftovers(dirname(cached));
  const making = join(dirname(cached), `making-${process.pid}`);
  await mkdir(making);
  try {
    const made = await makeProgram(making, env, log, problems);
    await rename(made, cached);
    log(`The Temporal server is ready: ${cached}`);
    return cached;
  } finally {
    await rm(making, { recursive: true, force: true });
  }
}

async function makeProgram(folder: string, env: Environment, log: Log, problems: string[]): Promise<string> {
  const attempts: (() => Promise<string>)[] = [() => downloadServer(SERVER_VERSION, folder, env, log)];
  const go = await findOnPath('go', env);
  if (go !== undefined) attempts.push(() => buildServer(go, SERVER_VERSION, folder, env, log));
  for (const attempt of attempts) {
    try {
      const file = await attempt();
      const problem = await whyBroken(file, env);
      if (problem === undefined) return file;
      problems.push(`The new file does not run (${problem}).`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (go === undefined) problems.push('There is no Go on PATH to build it with.');
  if ((await findOnPath('temporal', env)) === undefined) problems.unshift('There is no `temporal` on PATH.');
  throw noServer(`No Temporal server can be started here. ${problems.join(' ')}`);
}

/** Removes what a killed process left behind. This process holds the lock, so nobody else works there. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('making-')) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function isExecutable(file: string): Promise<boolean> {
  return await access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
