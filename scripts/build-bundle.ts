/** What `npm run build` does after the compiler: the workflow bundle, built ahead, and a CLI that can be executed. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DefaultLogger } from '@temporalio/worker';
import { packageDir } from '../src/config.ts';
import { buildBundle } from '../src/workflow-bundle.ts';

const dist = join(packageDir, 'dist');

// The name that src/workflow-bundle.ts looks for; its own module takes `workflow-bundle.js`.
await writeFile(join(dist, 'workflow-code.js'), await buildBundle(new DefaultLogger('WARN')));
await chmod(join(dist, 'cli.js'), 0o755);
