/** The table of tools in docs/teams.md, from the definitions of the built-in tools. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { builtInTools } from '../../src/tools/registry.ts';

const TABLE = /(<!-- Made by `npm run documents` from the tools' definitions\. -->\n\n)(?:\|.*\n)+/;

/** docs/teams.md with the table as it should be. @throws Error if the page has no place for it */
export function teamsDocument(): string {
  const page = readFileSync(join(packageDir, 'docs/teams.md'), 'utf8');
  if (!TABLE.test(page)) throw new Error('docs/teams.md has no table of tools');
  return page.replace(TABLE, (_, mark: string) => mark + toolTable());
}

function toolTable(): string {
  const rows = [...builtInTools.values()].map(({ name, category, effects, timeoutMs, limits = '' }) =>
    [`\`${name}\``, category, effects, `${timeoutMs / 1_000} s`, limits].join(' | '),
  );
  return ['tool | category | effects | longest run | limits', '--- | --- | --- | --- | ---', ...rows]
    .map((row) => `| ${row} |\n`)
    .join('');
}
