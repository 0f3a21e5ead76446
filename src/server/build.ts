/** Builds the server program from source, for machines that only reach a Go module proxy. */
import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { endingOf } from '../contracts/text-cut.ts';

const PROGRAM = 'github.com/temporalio/cli/cmd/temporal';

/**
 * The SQLite driver of newer servers. With the CLI's own, 1.34.1, a request that is cancelled at the wrong moment makes
 * every later one fail with "interrupted (9)" (https://github.com/temporalio/temporal/pull/9198).
 */
const SQLITE = 'modernc.org/sqlite@v1.51.0';

/**
 * Does what the CLI's own `main` does, and sets a checksum. The server runs workers of its own, and Go's SDK reads the
 * whole program to compute a checksum if there is none. That is half of the processor time of a start: 0.5 s.
 * https://github.com/temporalio/sdk-go/blob/v1.37.0/internal/internal_worker.go
 */
const MAIN = `package main

import (
	"context"
	_ "time/tzdata"

	"github.com/temporalio/cli/temporalcli"
	"go.temporal.io/sdk/worker"
)

func main() {
	worker.SetBinaryChecksum("durable-copilot")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	temporalcli.Execute(ctx, temporalcli.CommandOptions{})
}
`;

const SIGN_OF_LIFE_MS = 15_000;
const TIMEOUT_MS = 30 * 60_000;
const LAST_LINES = 5;
const OUTPUT_CHARACTERS = 8_000;

/**
 * @param go absolute path of the `go` command
 * @param folder an existing folder for the program
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
  log(`Building the Temporal server: ${PROGRAM}@${version} with ${SQLITE}. This takes about 3 to 6 minutes, once.`);
  const source = join(folder, 'source');
  await mkdir(source);
  // In a module of its own we can choose the driver's version, which `go install` does not allow.
  await writeFile(join(source, 'go.mod'), 'module temporal\n');
  await writeFile(join(source, 'main.go'), MAIN);
  const file = join(folder, 'temporal');
  const startedAt = Date.now();
  const seconds = (): number => Math.round((Date.now() - startedAt) / 1_000);
  const signs = setInterval(() => log(`Still building the Temporal server (${seconds()} s).`), SIGN_OF_LIFE_MS);
  try {
    await run(go, ['get', `${PROGRAM}@${version}`, SQLITE], source, env);
    // Without tables for debuggers the program is smaller by a sixth.
    await run(go, ['build', '-o', file, '-ldflags=-s -w', '.'], source, env);
    return file;
  } finally {
    clearInterval(signs);
  }
}

async function run(go: string, args: string[], cwd: string, env: Readonly<Record<string, string>>): Promise<void> {
  const child = spawn(go, args, {
    env: { ...env, GOWORK: 'off' },
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = endingOf(output + text, OUTPUT_CHARACTERS);
  });
  const code = await new Promise<number | string | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve(exitCode ?? signal));
  });
  if (code !== 0)
    throw new Error(`Building it failed (${code}): ${output.trim().split('\n').slice(-LAST_LINES).join(' | ')}`);
}
