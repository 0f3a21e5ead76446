/** `npm run release` in a clone. That the package works where it is installed is shown by installed.test.ts. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readNotices } from '../../scripts/notices.ts';
import { packageDir } from '../../src/package-info.ts';
import { itInFull } from '../helpers/full.ts';

const AUTHOR = { name: 'Ada', email: 'ada@example.org' };

describe('a release', function () {
  this.timeout(120_000);
  let clone: string;

  const run = async (command: string, args: readonly string[]): Promise<string> =>
    (await promisify(execFile)(command, [...args], { cwd: clone })).stdout.trim();
  const git = (...args: readonly string[]): Promise<string> => run('git', args);
  const release = (...args: readonly string[]): Promise<string> =>
    run(process.execPath, [join(packageDir, 'scripts/release.ts'), ...args]);
  const source = (path: string): Promise<string> => readFile(join(clone, path), 'utf8');
  const state = async (): Promise<readonly string[]> =>
    await Promise.all([git('rev-parse', 'HEAD'), git('tag'), git('status', '--porcelain'), git('worktree', 'list')]);

  before(async () => {
    clone = await mkdtemp(join(tmpdir(), 'copilot-test-'));
    await git('clone', '--quiet', '--depth', '1', `file://${packageDir}`, '.');
    for (const [name, value] of Object.entries(AUTHOR)) await git('config', `user.${name}`, value);
    await symlink(join(packageDir, 'node_modules'), join(clone, 'node_modules'));
  });
  after(() => rm(clone, { recursive: true, force: true }));

  it('is refused for what is no version, and while the checkout has changes', async () => {
    const before = await state();
    await assert.rejects(release('next', '--files-only'), /"next" is no version/);
    assert.deepEqual(await state(), before);
    await appendFile(join(clone, 'README.md'), 'More.\n');
    await assert.rejects(release('9.0.0', '--files-only'), /The checkout has changes.*\n.*README\.md/);
    await git('checkout', '--quiet', '--', 'README.md');
    assert.deepEqual(await state(), before);
  });

  itInFull('leaves nothing after a dry run', async () => {
    const before = await state();
    assert.match(await release('9.0.0', '--dry-run', '--files-only'), /Version 9\.0\.0 can be made/);
    assert.deepEqual(await state(), before);
  });

  it('is a tagged commit with version, dated changelog and frozen histories, and is made once', async () => {
    const histories = (await readdir(join(clone, 'test/replay/histories'))).toSorted();
    const printed = await release('9.0.0', '--files-only');
    assert.match(printed, /git push origin \S+ v9\.0\.0\n {2}npm publish durable-copilot-9\.0\.0\.tgz/);
    assert.deepEqual(await state(), [await git('rev-parse', 'v9.0.0^{commit}'), 'v9.0.0', '', (await state())[3]]);

    const versions = [await source('package.json'), await source('package-lock.json')].map(
      (text) => (JSON.parse(text) as { version: string }).version, // both have it
    );
    assert.deepEqual(versions, ['9.0.0', '9.0.0']);
    assert.match(await source('CHANGELOG.md'), /\n## \[Unreleased\]\n\n## \[9\.0\.0\] - \d{4}-\d\d-\d\d\n\n/);
    assert.match(await source('deploy/kubernetes/kustomization.yaml'), /newTag: 9\.0\.0\n/);
    assert.deepEqual((await readdir(join(clone, 'test/replay/released/9.0.0'))).toSorted(), histories);

    await assert.rejects(release('9.0.0', '--files-only'), /Version 9\.0\.0 exists already/);
    // One history was recorded anew since.
    const [changed = ''] = histories;
    await appendFile(join(clone, 'test/replay/histories', changed), '\n');
    await git('commit', '--quiet', '--all', '--message', 'test: other commands');
    await release('9.0.1', '--files-only');
    assert.deepEqual(await readdir(join(clone, 'test/replay/released/9.0.1')), [changed]);
  });

  it('has the licences of bundled packages, each once, and none without one', async () => {
    const modules = join(packageDir, 'node_modules');
    const text = await readNotices([
      join(packageDir, 'src/client.ts'),
      join(modules, 'zod/v4/core/api.js'),
      join(modules, 'zod/index.js'),
      join(modules, '@noble/hashes/sha2.js'),
    ]);
    assert.deepEqual(
      text.match(/^\S+ [\d.]+ \(.*\)$/gm)?.map((line) => line.replace(/ [\d.]+ /, ' ')),
      ['@noble/hashes (MIT)', 'zod (MIT)'],
    );
    assert.match(text, /Copyright \(c\) 2025 Colin McDonnell/);
    const bare = join(clone, 'elsewhere/node_modules/bare');
    await mkdir(bare, { recursive: true });
    await writeFile(join(bare, 'package.json'), '{"name":"bare","version":"1.0.0"}');
    await assert.rejects(readNotices([join(bare, 'index.js')]), /bare is bundled and has no licence file/);
  });
});
