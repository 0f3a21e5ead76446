import { z } from 'zod';
import type { Tool } from '../../contracts/tool.ts';
import { findProgram, report, RUN_LIMITS, runInWorkspace, SEARCH_PATH } from './workspace-run.ts';

const MAX_TIMEOUT_SECONDS = 300;
const MAX_COMMAND_LENGTH = 100_000;

const ShellInput = z.strictObject({
  command: z
    .string()
    .min(1)
    .max(MAX_COMMAND_LENGTH)
    .describe(
      'Command line, or a script of several lines. It starts in the workspace each time: no variable and no "cd" of an earlier call remains. It has no input to read, so pass -y and the like.',
    ),
  timeout_seconds: z
    .int()
    .min(1)
    .max(MAX_TIMEOUT_SECONDS)
    .default(60)
    .describe('Longest run in seconds, at most 300. Default: 60.'),
});

/** `shell` with {@link SEARCH_PATH}. */
export const shell = shellWith(SEARCH_PATH);

/**
 * The tool that runs a command line, by bash where there is one, else by sh. Limits and environment are those of
 * `run_code`. Like its code, a command may read what the worker's user may, and use the network; its category is
 * therefore one of its own that a person approves by default.
 */
export function shellWith(searchPath: string): Tool<typeof ShellInput> {
  return {
    name: 'shell',
    description:
      'Runs a command line (bash or sh) in the workspace and returns its exit code, output, and which files it wrote. Time, memory, processes and output are limited, and what it leaves running in the background is ended with it. Use it for programs that are installed on the worker, such as git, grep, sort or tar.',
    effects: 'external',
    category: 'shell',
    timeoutMs: (MAX_TIMEOUT_SECONDS + 15) * 1_000,
    input: ShellInput,
    async run({ command, timeout_seconds: timeoutSeconds }, { workspace, signal }) {
      const program = (await findProgram(searchPath, 'bash')) ?? 'sh';
      const scope = { tool: 'shell', workspace };
      const run = await runInWorkspace(scope, {
        command: [program, '-c', command],
        searchPath,
        stdin: '',
        timeoutSeconds,
        signal,
      });
      return {
        text: report(run, { timeoutSeconds, memoryMiB: RUN_LIMITS.memoryMiB }),
        artifacts: run.artifacts,
      };
    },
  };
}
