/** `npm run build` runs this after the compiler: it builds the workflow bundles and the page, and makes the CLI executable. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import { buildPage, builtPageDir } from '../src/gateway/browser/page-build.ts';
import { packageDir } from '../src/package-info.ts';
import { buildBundle, builtBundlePath, ENCRYPTED } from '../src/worker/bundle/bundle.ts';

const dist = join(packageDir, 'dist');

for (const encryptedFailures of [false, true]) {
  await writeFile(
    builtBundlePath(encryptedFailures),
    await buildBundle(new DefaultLogger('WARN'), encryptedFailures ? ENCRYPTED : {}),
  );
}
await buildPage(builtPageDir);
await chmod(join(dist, 'src/cli/main.js'), 0o755);
