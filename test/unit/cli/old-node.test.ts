/** The command on a Node that is too old for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../../src/package-info.ts';
import { PROGRAM } from '../../helpers/program.ts';

const { engines } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as { engines: { node: string } };
const least = engines.node.replace('>=', '');

/** Runs the command as if on this version of Node. */
function runOn(version: string): { status: number | null; stderr: string } {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`, ...PROGRAM, '--version'];
  return spawnSync(process.execPath, args, { encoding: 'utf8' });
}

describe('the command', () => {
  it('says which Node it needs, on one that is too old, and runs on the oldest that the package takes', () => {
    for (const version of ['20.20.2', '22.17.1']) {
      const { status, stderr } = runOn(version);
      assert.equal(status, 1);
      assert.equal(stderr, `error: Node ${version} is too old. Install Node ${least} or newer.\n`);
    }
    assert.equal(runOn(`${least}.0`).status, 0);
  });
});
