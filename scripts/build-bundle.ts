/**
 * `npm run build` runs this after the compiler: it builds the workflow bundles, the page and the CLI, writes the licence
 * notices of what is in them, and makes the CLI executable.
 */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import { buildPage, builtPageDir } from '../src/gateway/browser/page-build.ts';
import { packageDir } from '../src/package-info.ts';
import { buildBundle, builtBundlePath, ENCRYPTED } from '../src/worker/bundle/bundle.ts';
import { buildCli } from './cli-bundle.ts';
import { bundledModules, readNotices } from './notices.ts';

const dist = join(packageDir, 'dist');

const modules: string[] = [];
for (const encryptedFailures of [false, true]) {
  const code = await buildBundle(new DefaultLogger('WARN'), encryptedFailures ? ENCRYPTED : {});
  await writeFile(builtBundlePath(encryptedFailures), code);
  modules.push(...bundledModules(code));
}
modules.push(...(await buildPage(builtPageDir)), ...(await buildCli()));
await writeFile(join(dist, 'THIRD-PARTY-NOTICES.txt'), await readNotices(modules));
await chmod(join(dist, 'bundled/cli/main.js'), 0o755);
