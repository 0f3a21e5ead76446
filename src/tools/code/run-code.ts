import { unlink } from 'node:fs/promises';
import { compileFunction } from 'node:vm';
import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { Tool } from '../definition/tool.ts';
import type { CodeRunner } from './code-runner.ts';
import { processRunner } from './process-runner.ts';
import { NODE_HEAP_MIB, report, runInWorkspace, SEARCH_PATH } from './workspace-run.ts';
import { writeInside } from '../workspace/content.ts';
import { temporaryName } from '../workspace/paths.ts';

const MAX_TIMEOUT_SECONDS = 120;
const MAX_CODE_LENGTH = 1_000_000;
const MAX_STDIN_LENGTH = 10_000_000;

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

/** The tool with the programs of a search path, in child processes. */
export function runCodeWith(searchPath: string): Tool {
  return runCodeBy(processRunner(searchPath));
}

/** Makes the tool that runs a program by a runner. */
export function runCodeBy(runner: CodeRunner): Tool {
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
      // The script lies in the workspace, so that the code finds modules beside it.
      const script = await writeInside(scope, temporaryName(extension(input)), input.code);
      try {
        const run = await runInWorkspace(scope, runner, {
          code: { language: input.language, file: script.relative },
          stdin: input.stdin ?? '',
          timeoutSeconds: input.timeout_seconds,
          signal,
        });
        const memoryMiB = input.language === 'node' ? Math.min(NODE_HEAP_MIB, runner.memoryMiB) : runner.memoryMiB;
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
