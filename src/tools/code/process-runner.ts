/** Runs code in child processes of this machine, kept apart as far as the system allows. */
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { refusal } from '../refusal.ts';
import type { CodeRequest, CodeRunner } from './code-runner.ts';
import { runLimited } from './limited-process.ts';
import { NODE_HEAP_MIB, RUN_LIMITS, SEARCH_PATH } from './workspace-run.ts';

const REMOVAL_LIMIT_MS = 30_000;

const execute = promisify(execFile);

/** Code gets none of this program's variables. */
export function processRunner(searchPath = SEARCH_PATH): CodeRunner {
  return {
    name: 'child processes',
    memoryMiB: RUN_LIMITS.memoryMiB,
    run: async (request) => {
      const { workspace: cwd, stdin, timeoutMs, signal, code } = request;
      const command = await commandOf(request, searchPath);
      const temporaryFolder = await mkdtemp(join(tmpdir(), 'copilot-run-'));
      try {
        // A command line may start Node, too.
        const dataMiB = RUN_LIMITS.memoryMiB + (code.language === 'python' ? 0 : await codeRangeMiB());
        const limits = { ...RUN_LIMITS, dataMiB, timeoutMs };
        const environment = { PATH: searchPath, HOME: cwd, LANG: 'C.UTF-8', TMPDIR: temporaryFolder };
        return await runLimited({ command, cwd, environment, stdin, limits, signal });
      } finally {
        await removeFolder(temporaryFolder);
      }
    },
  };
}

async function commandOf({ tool, code, workspace }: CodeRequest, searchPath: string): Promise<string[]> {
  if (code.language === 'shell') return [(await findProgram(searchPath, 'bash')) ?? 'sh', '-c', code.command];
  const file = join(workspace, code.file);
  if (code.language === 'node') return [process.execPath, `--max-old-space-size=${NODE_HEAP_MIB}`, file];
  const python = await findProgram(searchPath, 'python3');
  // -B keeps compiled files out of the workspace.
  if (python !== undefined) return [python, '-B', file];
  throw refusal(
    { tool },
    `Python 3 is not installed on this worker: python3 is not in ${searchPath}. Use language "node".`,
  );
}

/**
 * How much of the data limit V8 uses up before it runs anything. Node 24 maps 512 MiB for compiled code as writable,
 * and Linux counts that as data; Node 22 does not. This process runs the same program, so its own map tells.
 */
async function codeRangeMiB(): Promise<number> {
  const maps = await readFile('/proc/self/maps', 'latin1').catch(() => '');
  const bytes = [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rwxp/gm)].map(
    ([, from = '', to = '']) => Number.parseInt(to, 16) - Number.parseInt(from, 16),
  );
  return Math.ceil(bytes.reduce((sum, each) => sum + each, 0) / 2 ** 20);
}

/** Absolute path of a program, or undefined if no folder of the search path has it. */
async function findProgram(searchPath: string, name: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter)) {
    const program = join(folder, name);
    const isThere = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return program;
  }
  return undefined;
}

/** Code can leave folders that Node cannot remove: without permissions, or with paths that are too long. */
async function removeFolder(folder: string): Promise<void> {
  const options = { env: { PATH: SEARCH_PATH }, timeout: REMOVAL_LIMIT_MS };
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    // If this fails too, some litter stays; the result is right all the same.
    await execute('find', [folder, '-type', 'd', '-exec', 'chmod', 'u+rwx', '{}', ';'], options).catch(() => undefined);
    await execute('rm', ['-rf', folder], options).catch(() => undefined);
  }
}
