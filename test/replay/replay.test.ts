/** Stored histories replay on the present code. They are evidence: recorded once, never made anew. No server needed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { packageDir } from '../../src/config.ts';
import { buildBundle } from '../../src/workflow-bundle.ts';

const dir = join(packageDir, 'test', 'replay', 'histories');
const quiet = new DefaultLogger('ERROR', () => {});

describe('[R07] stored histories', function () {
  this.timeout(60_000);
  let workflowBundle: { code: string };

  before(async () => {
    if (!Runtime._instance) Runtime.install({ logger: quiet, shutdownSignals: [] });
    workflowBundle = { code: await buildBundle(quiet) };
  });

  const files = readdirSync(dir).filter((name) => name.endsWith('.json'));

  it('are there', () => {
    assert.ok(files.length > 0, `no history in ${dir}`);
  });

  for (const file of files) {
    it(`${file} replays`, async () => {
      const history: unknown = JSON.parse(readFileSync(join(dir, file), 'utf8'));
      await Worker.runReplayHistory({ workflowBundle }, history);
    });
  }

  it('a history that the code would have written otherwise does not replay', async () => {
    const [file = ''] = files;
    const changed = readFileSync(join(dir, file), 'utf8').replaceAll('"runAgent"', '"runSomethingElse"');
    const replay = Worker.runReplayHistory({ workflowBundle }, JSON.parse(changed));
    await assert.rejects(replay, { name: 'DeterminismViolationError' });
  });
});
