/** `npm run documents`: writes the pages of docs/ that are made from the source, and the table of tools. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { cliDocument } from './cli-document.ts';
import { clientDocument } from './client-document.ts';
import { teamsDocument } from './tool-table.ts';

writeFileSync(join(packageDir, 'docs/cli.md'), cliDocument());
writeFileSync(join(packageDir, 'docs/client.md'), clientDocument());
writeFileSync(join(packageDir, 'docs/teams.md'), teamsDocument());
