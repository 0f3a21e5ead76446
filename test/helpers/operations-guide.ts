/** The commands that docs/operations.md gives, for tests that run them as they stand there. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../../src/package-info.ts';

/** The commands below a heading, each on one line. */
export function guideCommands(heading: string): string[] {
  const page = readFileSync(join(packageDir, 'docs/operations.md'), 'utf8');
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`docs/operations.md has no heading ${heading}`);
  return [...section.matchAll(/^```sh\n([^]*?)\n```$/gm)].flatMap(([, block = '']) =>
    block.replaceAll(/ \\\n */g, ' ').split('\n'),
  );
}

/** The variables that a command sets for itself. */
export function assignedIn(command: string): Record<string, string> {
  const [assigned = ''] = /^(?:[A-Z_]+=\S+ )*/.exec(command) ?? [];
  return Object.fromEntries(
    assigned
      .trim()
      .split(' ')
      .map((pair) => pair.split('=', 2) as [string, string]),
  ); // by the pattern
}

/** @returns its stdout. @throws Error with its stderr if its exit code is not 0 */
export async function runInShell(command: string, env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
  return (await promisify(execFile)('sh', ['-c', command], { env, cwd })).stdout;
}
