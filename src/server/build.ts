/** Builds the server program from source, for machines that reach a Go module proxy and nothing else. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const SIGN_OF_LIFE_MS = 15_000;
const TIMEOUT_MS = 30 * 60_000;
const LAST_LINES = 5;
const OUTPUT_CHARACTERS = 8_000;

/**
 * @param go absolute path of the `go` command
 * @param folder an existing folder; the program is put there
 * @returns absolute path of the program, not verified
 * @throws Error with the last lines of Go's output
 */
export async function buildServer(
  go: string,
  version: string,
  folder: string,
  env: Readonly<Record<string, string>>,
  log: (line: string) => void,
): Promise<string> {
  const source = `github.com/temporalio/cli/cmd/temporal@${version}`;
  log(`Building the Temporal server: go install ${source}. This takes about 3 to 6 minutes, once.`);
  const child = spawn(go, ['install', source], {
    env: { ...env, GOBIN: folder },
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_CHARACTERS);
  });
  const startedAt = Date.now();
  const seconds = (): number => Math.round((Date.now() - startedAt) / 1_000);
  const signs = setInterval(() => log(`Still building the Temporal server (${seconds()} s).`), SIGN_OF_LIFE_MS);
  try {
    const code = await new Promise<number | string | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
    });
    if (code === 0) return join(folder, 'temporal');
    throw new Error(`Building it failed (${code}): ${output.trim().split('\n').slice(-LAST_LINES).join(' | ')}`);
  } finally {
    clearInterval(signs);
  }
}
