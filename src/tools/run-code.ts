import { constants } from 'node:fs';
import { access, mkdtemp, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import { z } from 'zod';
import type { Tool } from '../contracts/tool.ts';
import type { ProcessLimits, ProcessOutcome } from './code/limited-process.ts';
import { runLimited } from './code/limited-process.ts';
import type { Scope } from './workspace.ts';
import { refusal, resolveInside, temporaryName, walk, writeInside } from './workspace.ts';

const MAX_TIMEOUT_SECONDS = 120;
const MAX_CODE_LENGTH = 1_000_000;
const MAX_STDIN_LENGTH = 10_000_000;
/** Of V8's heap; the limit of the whole process is above it, so that node ends with its own message. */
const NODE_HEAP_MIB = 512;
const LIMITS: Omit<ProcessLimits, 'timeoutMs'> = {
  memoryMiB: 1_024,
  processes: 64,
  openFiles: 256,
  fileMiB: 256,
  stdoutBytes: 80 * 1024,
  stderrBytes: 20 * 1024,
};
/** Files looked at, before and after, to tell which are new or changed. */
const MAX_FILES_COMPARED = 10_000;
const MAX_ARTIFACTS = 200;
const UNREPORTED: ReadonlySet<string> = new Set(['.git', 'node_modules', '__pycache__', '.cache', '.npm']);

/** Where `python3`, `sh` and what code calls are looked for; the folder of this very node comes first. */
export const SEARCH_PATH = [
  ...new Set([dirname(process.execPath), '/usr/local/bin', '/usr/bin', '/bin', '/opt/homebrew/bin']),
].join(delimiter);

const RunCodeInput = z.strictObject({
  language: z
    .enum(['node', 'python'])
    .describe('"node" for JavaScript (CommonJS or ES module), "python" for Python 3.'),
  code: z
    .string()
    .min(1)
    .max(MAX_CODE_LENGTH)
    .describe('The program. It runs with the workspace as its working directory; print what you want to see.'),
  timeout_seconds: z
    .int()
    .min(1)
    .max(MAX_TIMEOUT_SECONDS)
    .default(30)
    .describe('Longest run in seconds, at most 120. Default: 30.'),
  stdin: z.string().max(MAX_STDIN_LENGTH).optional().describe('Text for standard input. Default: none.'),
});
type RunCodeInput = z.output<typeof RunCodeInput>;

/** `run_code` with {@link SEARCH_PATH}. */
export const runCode = runCodeWith(SEARCH_PATH);

/**
 * The tool that runs code in a child process. The code gets a minimal environment with none of this program's
 * variables; it and all that it started are ended at a limit, on abort, and when it exits.
 */
export function runCodeWith(searchPath: string): Tool<typeof RunCodeInput> {
  return {
    name: 'run_code',
    description:
      'Runs a JavaScript (Node) or Python program in the workspace and returns its exit code, output, and which files it wrote. Time, memory, processes and output are limited. Use it for what the other tools cannot do.',
    effects: 'external',
    category: 'code',
    timeoutMs: (MAX_TIMEOUT_SECONDS + 15) * 1_000,
    input: RunCodeInput,
    async run(input, { workspace, signal }) {
      const scope = { tool: 'run_code', workspace };
      const { absolute: cwd } = await resolveInside(scope, '.');
      const command = await interpreter(scope, input, searchPath);
      const before = await listing(scope);
      const temporaryFolder = await mkdtemp(join(tmpdir(), 'copilot-run-'));
      // In the workspace itself, so that the code finds modules beside it.
      const script = await writeInside(scope, temporaryName(extension(input)), input.code);
      try {
        const outcome = await runLimited({
          command: [...command, script.absolute],
          cwd,
          environment: { PATH: searchPath, HOME: cwd, LANG: 'C.UTF-8', TMPDIR: temporaryFolder },
          stdin: input.stdin ?? '',
          limits: { ...LIMITS, timeoutMs: input.timeout_seconds * 1_000 },
          signal,
        });
        const artifacts = changed(before, await listing(scope));
        return { text: report(input, outcome, artifacts), artifacts: artifacts.slice(0, MAX_ARTIFACTS) };
      } finally {
        await unlink(script.absolute).catch(() => undefined);
        await rm(temporaryFolder, { recursive: true, force: true });
      }
    },
  };
}

async function interpreter(scope: Scope, { language }: RunCodeInput, searchPath: string): Promise<string[]> {
  if (language === 'node') return [process.execPath, `--max-old-space-size=${NODE_HEAP_MIB}`];
  for (const folder of searchPath.split(delimiter)) {
    const program = join(folder, 'python3');
    // -B: no compiled files in the workspace.
    if (
      await access(program, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return [program, '-B'];
  }
  throw refusal(
    scope,
    `Python 3 is not installed on this worker (looked for python3 in ${searchPath}). Use language "node".`,
  );
}

/** What compiles as CommonJS is; everything else is an ES module, whose own error message is the better one. */
function extension({ language, code }: RunCodeInput): string {
  if (language === 'python') return '.py';
  try {
    compileFunction(code.replace(/^#!.*/, ''), ['exports', 'require', 'module', '__filename', '__dirname']);
    return '.cjs';
  } catch {
    return '.mjs';
  }
}

async function listing(scope: Scope): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for await (const { path, kind, bytes, changedMs } of walk(scope, '.', { recursive: true, skip: UNREPORTED })) {
    if (kind === 'file') files.set(path, `${bytes} ${changedMs}`);
    if (files.size === MAX_FILES_COMPARED) break;
  }
  return files;
}

function changed(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...after].flatMap(([path, state]) => (before.get(path) === state ? [] : [path]));
}

/** First line: how it ended. Then the outputs and the files, each under its heading where there are any. */
function report(input: RunCodeInput, outcome: ProcessOutcome, artifacts: readonly string[]): string {
  const { stdout, stderr, droppedBytes, durationMs } = outcome;
  const shownFiles = artifacts.slice(0, MAX_ARTIFACTS);
  const moreFiles = artifacts.length > MAX_ARTIFACTS ? [`[and ${artifacts.length - MAX_ARTIFACTS} more]`] : [];
  const sections = [
    `${ending(input, outcome)} Ran ${(durationMs / 1_000).toFixed(1)} s.`,
    ...(stdout === '' ? [] : [`--- stdout ---\n${stdout.trimEnd()}`]),
    ...(stderr === '' ? [] : [`--- stderr ---\n${stderr.trimEnd()}`]),
    ...(droppedBytes > 0
      ? [
          `[${droppedBytes} more bytes of output were dropped; ${LIMITS.stdoutBytes} of stdout and ${LIMITS.stderrBytes} of stderr are kept. Print less, or write to a file.]`,
        ]
      : []),
    ...(shownFiles.length > 0 ? [`--- files written ---\n${[...shownFiles, ...moreFiles].join('\n')}`] : []),
  ];
  return sections.join('\n');
}

function ending(input: RunCodeInput, { exitCode, limitHit, stderr }: ProcessOutcome): string {
  const outOfMemory =
    /JavaScript heap out of memory|^MemoryError|Array buffer allocation failed|Cannot allocate memory/m;
  if (limitHit === 'time') {
    return `Stopped: not finished after ${input.timeout_seconds} s, the time limit. It and everything it had started were ended.`;
  }
  if (limitHit === 'processes')
    return `Stopped: more than ${LIMITS.processes} processes at once, which is the limit. All were ended.`;
  if (limitHit === 'memory' || (exitCode !== 0 && outOfMemory.test(stderr))) {
    const limitMiB = input.language === 'node' ? NODE_HEAP_MIB : LIMITS.memoryMiB;
    return `Stopped: out of memory (exit code ${exitCode}); the limit is ${limitMiB} MiB. Work on the data in parts.`;
  }
  if (exitCode === 137) return 'Exit code 137: killed, probably by a limit on memory or processor time.';
  return `Exit code ${exitCode}.`;
}
