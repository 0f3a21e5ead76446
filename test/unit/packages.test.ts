/** What `npm ci` brings along in a checkout. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDir } from '../../src/package-info.ts';

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
});

/** Of a range such as `>=22.0.0` or `^20.19.0 || >=22.12.0`. 0 if every version will do. */
function oldestMajor(range = '*'): number {
  if (range === '*') return 0;
  return Math.min(...[...range.matchAll(/(?:^|\|\|)[\s>=^~v]*(\d+)/g)].map(([, major]) => Number(major)));
}
