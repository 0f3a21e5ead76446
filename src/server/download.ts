/** Gets the server program from https://temporal.download with the code that `@temporalio/testing` has for that. */
import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { beginningOf } from '../contracts/text-cut.ts';

/** A slow line may take minutes for the whole program, so we only watch that bytes keep coming. */
const STALLED_MS = 20_000;
const POLL_MS = 250;
const OUTPUT_CHARACTERS = 4_000;

/**
 * Runs in a process of its own: the native code cannot be cancelled, and reads the proxy from its environment. The
 * package can only download by starting the server, so this stops it again.
 */
const SCRIPT = `
  const [testing, downloadDir, version] = process.argv.slice(1);
  const { default: { TestWorkflowEnvironment } } = await import(testing);
  const executable = { type: 'cached-download', downloadDir, version };
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } });
  await environment.teardown();
`;

/**
 * @param folder an existing, empty folder for the program
 * @returns absolute path of the program, not verified
 * @throws Error with the reason, at the latest 20 s after the last byte
 */
export async function downloadServer(
  version: string,
  folder: string,
  env: Readonly<Record<string, string>>,
  log: (line: string) => void,
): Promise<string> {
  log(`Downloading the Temporal server ${version} from temporal.download.`);
  const testing = pathToFileURL(createRequire(import.meta.url).resolve('@temporalio/testing')).href;
  // A process group of its own: killing that also ends the server that the download may have started.
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT, testing, folder, version], {
    env: { ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = beginningOf(output + text, OUTPUT_CHARACTERS);
  });
  const end = new Promise<true>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(true);
    });
    child.once('close', () => resolve(true));
  });

  let size = 0;
  let lastProgress = Date.now();
  while (!(await Promise.race([end, sleep(POLL_MS, false)]))) {
    const sizeNow = await totalSize(folder);
    if (sizeNow > size) [size, lastProgress] = [sizeNow, Date.now()];
    if (Date.now() - lastProgress <= STALLED_MS || child.pid === undefined || child.exitCode !== null) continue;
    process.kill(-child.pid, 'SIGKILL');
    await end;
    output = `nothing came for ${STALLED_MS / 1_000} s`;
  }
  const file = (await readdir(folder)).find((name) => !name.endsWith('.downloading'));
  if (file === undefined) throw new Error(`The download failed (${lastCause(output)}).`);
  return join(folder, file);
}

async function totalSize(folder: string): Promise<number> {
  const sizes = await Promise.all(
    (await readdir(folder)).map((name) =>
      stat(join(folder, name)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The native error is one long line that names every layer. Its end says what happened. */
function lastCause(output: string): string {
  const line =
    output.split('\n').find((text) => text.includes('ephemeral server')) ?? output.trim().split('\n').at(-1) ?? '';
  return (
    line
      .replace(/^\[?Error: /, '')
      .replace(/\]$/, '')
      .split(/ for url \([^)]*\): /)
      .at(-1) ?? line
  );
}
