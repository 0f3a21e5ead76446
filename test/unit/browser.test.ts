/** What tests of pages do where there is no browser: they are skipped with a reason, or fail, and never pass in silence. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowser } from '../helpers/browser.ts';

describe('the browser of the tests', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'browser-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** An `apt-get` that does this, and a place where no browser is yet. */
  async function machine(script: string): Promise<{ programs: string[]; apt: string; isRoot: boolean }> {
    const apt = join(folder, 'apt-get');
    await writeFile(apt, `#!/bin/sh\n${script}\n`);
    await chmod(apt, 0o700);
    return { programs: [join(folder, 'chromium')], apt, isRoot: true };
  }

  it('is installed by root, once', async () => {
    const given = await machine(`[ "$2" = install ] && touch '${join(folder, 'chromium')}'; true`);
    assert.deepEqual(await findBrowser(given), { program: given.programs[0] });
    assert.deepEqual(await findBrowser({ ...given, apt: 'none' }), { program: given.programs[0] });
  });

  it('fails with the reason if it cannot be installed, and if the package brought none', async () => {
    const away = await machine('echo "E: Temporary failure resolving deb.debian.org" >&2; exit 100');
    await assert.rejects(findBrowser(away), /apt-get update failed\. E: Temporary failure resolving/);
    const broken = await machine('[ "$2" = update ] || { echo "E: Unmet dependencies" >&2; exit 100; }');
    await assert.rejects(findBrowser(broken), /apt-get install failed\. E: Unmet dependencies/);
    await assert.rejects(findBrowser(await machine('true')), /The package chromium brought none of .*chromium/);
    await assert.rejects(findBrowser({ ...away, apt: join(folder, 'none') }), /is there\. Install one of them/);
  });

  it('is missing, with what to do, for a user who may not install it', async () => {
    const given = await machine('exit 1');
    assert.deepEqual(await findBrowser({ ...given, isRoot: false }), {
      missing: 'no Chromium, and only root may install it: apt install chromium',
    });
  });
});
