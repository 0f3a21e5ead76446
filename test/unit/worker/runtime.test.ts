/** The SDK's runtime belongs to the whole process, so each case has a process of its own. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../../../src/package-info.ts';

const run = promisify(execFile);

const SETUP = `
  import { DefaultLogger, Runtime } from '@temporalio/worker';
  import { installRuntime } from ${JSON.stringify(join(packageDir, 'src/worker/runtime.ts'))};
  const [theirs, ours, later] = ['theirs', 'ours', 'later'].map(() => new DefaultLogger('ERROR'));
  const say = () => {
    Runtime.instance();
    const { logger } = Runtime.defaultOptions;
    console.log(logger === theirs ? 'theirs' : logger === ours ? 'ours' : logger === later ? 'later' : 'default');
  };
  const signals = () => console.log(process.listenerCount('SIGINT') + process.listenerCount('SIGTERM'));
`;

async function lines(script: string): Promise<string[]> {
  const args = ['--input-type=module', '--eval', `${SETUP}\n${script}\nprocess.exit(0);`];
  const { stdout } = await run(process.execPath, args, { cwd: packageDir });
  return stdout.trim().split('\n');
}

describe("the SDK's runtime in a service", function () {
  this.timeout(60_000);

  it('is ours if there is none, and listens to no signals', async () => {
    assert.deepEqual(await lines('installRuntime(ours); say(); signals();'), ['ours', '0']);
  });

  it('is that of the service if it has installed one, also after all its workers have stopped', async () => {
    const script = 'Runtime.install({ logger: theirs }); installRuntime(ours); say();';
    assert.deepEqual(await lines(script), ['theirs']);
    // The SDK ends it with the last connection, and makes it again for the next.
    assert.deepEqual(await lines(`${script} await Runtime.instance().shutdown(); installRuntime(ours); say();`), [
      'theirs',
      'theirs',
    ]);
  });

  it('is the one that is there if the service has only opened a connection', async () => {
    assert.deepEqual(await lines('Runtime.instance(); installRuntime(ours); say();'), ['default']);
  });

  it('of ours gets the log of the next worker after its end', async () => {
    const script = 'installRuntime(ours); say(); await Runtime.instance().shutdown(); installRuntime(later); say();';
    assert.deepEqual(await lines(script), ['ours', 'later']);
  });
});
