/** What tests run as `copilot`: the source, or with `COPILOT_TEST_BUILT` what `npm run build` made of it, which starts sooner. */
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';

/** Arguments of node, before those of the command. */
export const PROGRAM: readonly string[] =
  process.env['COPILOT_TEST_BUILT'] === undefined
    ? [join(packageDir, 'src/cli/main.ts')]
    : [join(packageDir, 'dist/bundled/cli/main.js')];
