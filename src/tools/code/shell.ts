import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { Tool } from '../definition/tool.ts';
import type { CodeRunner } from './code-runner.ts';
import { processRunner } from './process-runner.ts';
import { report, runInWorkspace, SEARCH_PATH } from './workspace-run.ts';

const MAX_TIMEOUT_SECONDS = 300;
const MAX_COMMAND_LENGTH = 100_000;

const ShellInput = z.strictObject({
  command: z
    .string()
    .min(1)
    .max(MAX_COMMAND_LENGTH)
    .describe('One or several lines. Each call begins in the workspace with a new shell and without standard input.'),
  timeout_seconds: z.int().min(1).max(MAX_TIMEOUT_SECONDS).default(60),
});

/** `shell` with {@link SEARCH_PATH}. */
export const shell = shellWith(SEARCH_PATH);

/** The tool with the programs of a search path, in child processes. */
export function shellWith(searchPath: string): Tool {
  return shellBy(processRunner(searchPath));
}

/**
 * Makes the tool that runs a command line with bash, or with sh if bash is missing. Limits and environment are those
 * of `run_code`. In child processes a command can read what the worker's user can read and can use the network, so the
 * tool has a category of its own, which a person approves by default.
 */
export function shellBy(runner: CodeRunner): Tool {
  return defineTool({
    name: 'shell',
    description:
      'Runs a command line (bash or sh) in the workspace and returns its exit code, its output and the files it wrote. For programs that are installed, such as git, sort or tar.',
    effects: 'external',
    category: 'shell',
    timeoutMs: (MAX_TIMEOUT_SECONDS + 15) * 1_000,
    limits: '300 s, otherwise as `run_code`',
    subject: { kind: 'command', fields: ['command'] },
    parameters: ShellInput,
    async run({ command, timeout_seconds: timeoutSeconds }, { workspace, signal }) {
      const scope = { tool: 'shell', workspace };
      const run = await runInWorkspace(scope, runner, {
        code: { language: 'shell', command },
        stdin: '',
        timeoutSeconds,
        signal,
      });
      return {
        text: report(run, { timeoutSeconds, memoryMiB: runner.memoryMiB }),
        artifacts: run.artifacts,
      };
    },
  });
}
