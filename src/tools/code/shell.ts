import { z } from 'zod';
import { defineTool } from '../definition/define-tool.ts';
import type { Tool } from '../definition/tool.ts';
import { findProgram, report, RUN_LIMITS, runInWorkspace, SEARCH_PATH } from './workspace-run.ts';

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

/**
 * Makes the tool that runs a command line with bash, or with sh if bash is missing. Limits and environment are those
 * of `run_code`. A command can read what the worker's user can read and can use the network, so the tool has a
 * category of its own, which a person approves by default.
 */
export function shellWith(searchPath: string): Tool {
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
      const program = (await findProgram(searchPath, 'bash')) ?? 'sh';
      const scope = { tool: 'shell', workspace };
      const run = await runInWorkspace(scope, {
        command: [program, '-c', command],
        searchPath,
        stdin: '',
        timeoutSeconds,
        runsNode: true,
        signal,
      });
      return {
        text: report(run, { timeoutSeconds, memoryMiB: RUN_LIMITS.memoryMiB }),
        artifacts: run.artifacts,
      };
    },
  });
}
