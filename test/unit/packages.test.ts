/** What `npm ci` brings along in a checkout. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageDir } from '../../src/package-info.ts';
import { isFull } from '../helpers/full.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { programEnvironment } from '../helpers/worker.ts';

/** README.md promises that `npm ci` works with it, although the program itself runs on a newer one. */
const OLDEST_NODE = 20;

interface LockedPackage {
  readonly optional?: boolean;
  readonly engines?: { readonly node?: string };
}

describe('packages', () => {
  it('npm ci brings every package, whatever Node the system has', () => {
    const lock = JSON.parse(readFileSync(join(packageDir, 'package-lock.json'), 'utf8')) as {
      readonly packages: Readonly<Record<string, LockedPackage>>; // npm writes the file
    };
    // npm leaves out, without a word, optional packages that do not name the Node that it runs on.
    const leftOut = Object.entries(lock.packages)
      .filter(([, { optional = false, engines }]) => optional && oldestMajor(engines?.node) > OLDEST_NODE)
      .map(([path]) => path);
    assert.deepEqual(leftOut, [], 'name them in devDependencies too');
  });

  if (isFull) {
    for (const version of ['22.18.0', '24']) {
      it(`[O05] Node ${version} runs the checkout's TypeScript as it is, to the end of a session with a plan`, async function () {
        this.timeout(600_000);
        const { engines } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as LockedPackage; // npm reads it
        assert.equal(engines?.node, '>=22.18');
        const homeDir = await temporaryFolder();
        try {
          const env = programEnvironment({ homeDir, address: '' }, { COPILOT_HOME: homeDir });
          const { TEMPORAL_ADDRESS: _, ...own } = env;
          const args = ['--yes', `node@${version}`, join(packageDir, 'src/cli/main.ts'), 'demo'];
          const { stdout } = await promisify(execFile)('npx', args, { cwd: homeDir, env: own });
          assert.match(stdout, /✓ step 3 completed: Wrote report\.md/);
        } finally {
          await rm(homeDir, { recursive: true, force: true });
        }
      });
    }
  }

  it('[O05] npm run copilot works in the folder in which it is called', async function () {
    this.timeout(60_000);
    const cwd = join(packageDir, 'examples/own-tool');
    const program = promisify(execFile)('npm', ['run', '-s', 'copilot', '--', 'import', 'copilot.config.ts'], {
      cwd,
    });
    // The root has no such file.
    await assert.rejects(program, /copilot\.config\.ts.* JSON/);
  });
});

/** Of a range such as `>=22.0.0` or `^20.19.0 || >=22.12.0`. 0 if every version will do. */
function oldestMajor(range = '*'): number {
  if (range === '*') return 0;
  return Math.min(...[...range.matchAll(/(?:^|\|\|)[\s>=^~v]*(\d+)/g)].map(([, major]) => Number(major)));
}
