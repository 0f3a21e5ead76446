import { unlink } from 'node:fs/promises';
import { compileFunction } from 'node:vm';
import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { Tool } from '../definition/tool.ts';
import { findProgram, report, RUN_LIMITS, runInWorkspace, SEARCH_PATH } from './workspace-run.ts';
import { refusal } from '../refusal.ts';
import { writeInside } from '../workspace/content.ts';
import { type Scope, temporaryName } from '../workspace/paths.ts';

const MAX_TIMEOUT_SECONDS = 120;
const MAX_CODE_LENGTH = 1_000_000;
const MAX_STDIN_LENGTH = 10_000_000;
/** Limit of V8's heap. It is below the limit of the whole process, so that Node stops with its own message. */
const NODE_HEAP_MIB = 512;

const RunCodeInput = z.strictObject({
  language: z
    .enum(['node', 'python'])
    .describe('"node" for JavaScript (CommonJS or ES module), "python" for Python 3.'),
  code: z.string().min(1).max(MAX_CODE_LENGTH).describe('Prints what you want to see.'),
  timeout_seconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).default(30),
  stdin: z.string().max(MAX_STDIN_LENGTH).optional(),
});
type RunCodeInput = z.output<typeof RunCodeInput>;

/** `run_code` with {@link SEARCH_PATH}. */
export const runCode = runCodeWith(SEARCH_PATH);

/**
 * Makes the tool that runs a program in a child process. The child gets a minimal environment without this
 * program's variables. It and every process it started are killed at a limit, on abort, and when it exits.
 */
export function runCodeWith(searchPath: string): Tool {
  return defineTool({
    name: 'run_code',
    description:
      'Runs a JavaScript (Node) or Python program in the workspace and returns its exit code, its output and the files it wrote. For what no other tool does.',
    effects: 'external',
    category: 'code',
    timeoutMs: (MAX_TIMEOUT_SECONDS + 15) * 1_000,
    limits: 'JavaScript or Python: 120 s, 1 GiB, 64 processes, 100 KiB of output',
    parameters: RunCodeInput,
    async run(input, { workspace, signal }) {
      const scope = { tool: 'run_code', workspace };
      const command = await interpreter(scope, input, searchPath);
      // The script lies in the workspace, so that the code finds modules beside it.
      const script = await writeInside(scope, temporaryName(extension(input)), input.code);
      try {
        const run = await runInWorkspace(scope, {
          command: [...command, script.absolute],
          searchPath,
          stdin: input.stdin ?? '',
          timeoutSeconds: input.timeout_seconds,
          runsNode: input.language === 'node',
          signal,
        });
        const memoryMiB = input.language === 'node' ? NODE_HEAP_MIB : RUN_LIMITS.memoryMiB;
        return {
          text: report(run, { timeoutSeconds: input.timeout_seconds, memoryMiB }),
          artifacts: run.artifacts,
        };
      } finally {
        await unlink(script.absolute).catch(() => undefined);
      }
    },
  });
}

async function interpreter(scope: Scope, { language }: RunCodeInput, searchPath: string): Promise<string[]> {
  if (language === 'node') return [process.execPath, `--max-old-space-size=${NODE_HEAP_MIB}`];
  const python = await findProgram(searchPath, 'python3');
  if (python === undefined) {
    throw refusal(
      scope,
      `Python 3 is not installed on this worker: python3 is not in ${searchPath}. Use language "node".`,
    );
  }
  // -B keeps compiled files out of the workspace.
  return [python, '-B'];
}

/** Code that compiles as CommonJS is CommonJS. Anything else runs as an ES module, which has the better error messages. */
function extension({ language, code }: RunCodeInput): string {
  if (language === 'python') return '.py';
  try {
    compileFunction(code.replace(/^#!.*/, ''), ['exports', 'require', 'module', '__filename', '__dirname']);
    return '.cjs';
  } catch {
    return '.mjs';
  }
}
