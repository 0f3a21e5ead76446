/** `npm run documents`: writes the pages of docs/ that are made from the source. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';
import { cliDocument } from './cli-document.ts';
import { clientDocument } from './client-document.ts';

writeFileSync(join(packageDir, 'docs/cli.md'), cliDocument());
writeFileSync(join(packageDir, 'docs/client.md'), clientDocument());
