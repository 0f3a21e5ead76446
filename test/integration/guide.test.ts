/** The commands of docs/guide.md, run in their order against a real server and worker with the offline model. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CopilotClient } from '../../src/client.ts';
import { packageDir } from '../../src/package-info.ts';
import { type Relay, startRelay } from '../helpers/relay.ts';
import { isolatedConfig, startTestServer, type TestServer } from '../helpers/server.ts';
import { temporalCli } from '../helpers/outside.ts';
import { programEnvironment, startWorkerProcess, type WorkerProcess } from '../helpers/worker.ts';

/** What the test does in its own way: the shell's `copilot`, and the server. */
const OWN_WAY = /^copilot\(\) |^copilot dev$/m;

describe('docs/guide.md', function () {
  this.timeout(240_000);
  let server: TestServer;
  let worker: WorkerProcess;
  let relay: Relay;

  before(async () => {
    server = await startTestServer();
    worker = await startWorkerProcess(server);
    relay = await startRelay(server.homeDir, programEnvironment(server));
  });
  after(async () => {
    relay.close();
    await worker.kill();
    await server.stop();
  });

  it('has commands that all work, one after another', async () => {
    const folder = join(server.homeDir, 'guide');
    await mkdir(folder);
    await symlink(join(packageDir, 'examples'), join(folder, 'examples'));
    const guide = readFileSync(join(packageDir, 'docs/guide.md'), 'utf8');
    const blocks = [...guide.matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block);
    const script = [
      'set -euo pipefail',
      `copilot() { ${quoted(relay.command)} "$@"; }`,
      `temporal() { ${quoted([temporalCli(server)])} "$@" --address ${server.address}; }`,
      ...blocks.filter((block) => !OWN_WAY.test(block)),
    ].join('\n');
    const { stdout } = await promisify(execFile)('bash', ['-c', script], {
      cwd: folder,
      env: programEnvironment(server),
    });

    assert.match(stdout, /437/);
    assert.match(stdout, /1\. \[completed\] Count to 60[^]*2\. [^\n]*\n3\. \[pending\] Write "three"/);
    const client = await CopilotClient.connect({ config: isolatedConfig(server.homeDir), address: server.address });
    try {
      assert.equal((await client.session('rain').info()).status, 'completed');
      assert.equal((await client.session('drizzle').info()).turns, 1);
      const plan = await client.session('lunch').plan();
      assert.deepEqual(
        plan?.steps.map(({ status }) => status),
        ['completed', 'completed', 'completed'],
      );
      const [turn] = (await client.session('careful').turns()).filter(({ number }) => number === 1);
      assert.equal(turn?.status, 'completed');
      assert.equal(turn.steps[1]?.task, 'Write "zwei" to two.txt');
    } finally {
      await client.close();
    }
  });
});

function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ');
}
