/** What is preloaded into the threads that run workflow code. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { packageDir } from '../../../src/package-info.ts';

/** Asks as the SDK does, and as Node does for itself. */
const THREAD = `
  import { createHook } from 'node:async_hooks';
  import v8 from 'node:v8';
  const counts = { sdk: 0, node: 0 };
  v8.promiseHooks.createHook({ init: () => void counts.sdk++ });
  createHook({ init: (id, type) => void (type === 'PROMISE' && counts.node++) }).enable();
  Promise.resolve().then(() => console.log(JSON.stringify(counts)));
`;
const PROGRAM = `new (require('node:worker_threads').Worker)(new URL(process.argv[1]));`;

describe('threads for workflow code', () => {
  it('take no hook of promises from the SDK, and leave Node its own, by which scopes are followed on Node 22', async () => {
    const preload = pathToFileURL(join(packageDir, 'src/worker/workflow-threads.ts')).href;
    const thread = `data:text/javascript,${encodeURIComponent(THREAD)}`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', preload, '-e', PROGRAM, thread]);
    const counts = JSON.parse(stdout) as { sdk: number; node: number }; // what the thread prints
    assert.equal(counts.sdk, 0);
    assert.ok(counts.node > 0, 'Node sees promises');
  });
});
