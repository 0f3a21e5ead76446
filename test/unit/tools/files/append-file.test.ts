import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { appendInside } from '../../../../src/tools/workspace/changes.ts';
import { isFull } from '../../../helpers/full.ts';
import { startSwapper } from './swapper.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld } from '../tool-world.ts';

describe('append_file', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());
  const append = (path: string, content: string) => world.call('append_file', { path, content });
  const now = (path: string): Promise<string> => readFile(join(world.workspace, path), 'utf8');

  it('creates a file with its folders, then adds at its end exactly what is given', async () => {
    assert.deepEqual(await append('logs/a.txt', 'eins\n'), {
      text: 'Added 5 bytes to logs/a.txt (5 bytes now).',
      artifacts: ['logs/a.txt'],
    });
    assert.equal((await append('logs/a.txt', 'zwei ü')).text, 'Added 7 bytes to logs/a.txt (12 bytes now).');
    assert.equal(await now('logs/a.txt'), 'eins\nzwei ü');
  });

  it('[D04] keeps the line ends of the file', async () => {
    const path = join(world.workspace, 'table.csv');
    for (const [before, content, after] of [
      ['a,b\r\n1,2\r\n', '3,4\n5,6\n', 'a,b\r\n1,2\r\n3,4\r\n5,6\r\n'],
      ['a,b\r\n1,2\r\n', '3,4\r\n', 'a,b\r\n1,2\r\n3,4\r\n'],
      ['a\r\nb\n', 'c\n', 'a\r\nb\nc\n'],
      [
        `${'x'.repeat(65_534)}\r\n${'y'.repeat(65_534)}\r\n`,
        'z\n',
        `${'x'.repeat(65_534)}\r\n${'y'.repeat(65_534)}\r\nz\r\n`,
      ],
    ] as const) {
      await writeFile(path, before);
      await world.call('append_file', { path: 'table.csv', content });
      assert.equal(await readFile(path, 'utf8'), after);
    }
  });

  it('says when the text continues a line', async () => {
    await append('a.txt', 'no break');
    assert.match((await append('a.txt', '!\n')).text, /^Added 2 bytes .* the text continues its last line\.$/);
    assert.doesNotMatch((await append('a.txt', 'x\n')).text, /continues/);
  });

  it('keeps all of many additions made at once', async () => {
    const lines = Array.from({ length: 50 }, (_, index) => `${index} ${'x'.repeat(5_000)}\n`);
    await Promise.all(lines.map((line) => append('a.txt', line)));
    assert.deepEqual((await now('a.txt')).split(/(?<=\n)/).sort(), lines.sort());
  });

  it('refuses nothing to add, more than 10 MiB at once, and a file over 256 MiB', async () => {
    assert.match(await world.refused('append_file', { path: 'a.txt', content: '' }), /"content": /);
    assert.match(
      await world.refused('append_file', { path: 'a.txt', content: 'x'.repeat(10 * 1024 * 1024 + 1) }),
      /has 10485761 bytes, and the limit is 10485760\. Append it in parts\.$/,
    );
    assert.deepEqual(await readdir(world.workspace), []);
    await writeFile(join(world.workspace, 'big'), '');
    await truncate(join(world.workspace, 'big'), 256 * 1024 * 1024 + 1);
    assert.match(
      await world.refused('append_file', { path: 'big', content: 'x' }),
      /^"big" has 268435457 bytes, and the limit is 268435456\. Continue in a new file\.$/,
    );
  });

  it('stays in the workspace, whatever the path or the link', async () => {
    await mkdir(join(world.folder, 'out'));
    await writeFile(join(world.folder, 'out', 'key.txt'), 'SECRET');
    await symlink(join(world.folder, 'out', 'key.txt'), join(world.workspace, 'link'));
    await symlink(join(world.folder, 'out', 'new.txt'), join(world.workspace, 'dangling'));
    await symlink(join(world.folder, 'out'), join(world.workspace, 'folder'));
    const outside = /leads out of the workspace|is a link to nowhere/;
    for (const path of ['../out/key.txt', '/etc/passwd', 'link', 'dangling', 'folder/new.txt', 'folder/deep/new.txt']) {
      assert.match(await world.refused('append_file', { path, content: 'x' }), outside, path);
    }
    assert.deepEqual(await readdir(join(world.folder, 'out')), ['key.txt']);
    assert.equal(await readFile(join(world.folder, 'out', 'key.txt'), 'utf8'), 'SECRET');
  });

  it('refuses folders and special files at once', async () => {
    execFileSync('mkfifo', [join(world.workspace, 'pipe')]);
    const refused = (path: string): Promise<string> => world.refused('append_file', { path, content: 'x' });
    assert.match(await refused('pipe'), /^"pipe" is a pipe, socket or device\./);
    assert.match(await refused('.'), /^"." is a folder\./);
    await mkdir(join(world.workspace, 'folder'));
    assert.match(await refused('folder'), /^"folder" is a folder\./);
  });

  it('never writes outside while a folder is swapped with a link all the time', async function () {
    // Another process swaps as fast as it can; with little processor time for both this takes long.
    this.timeout(120_000);
    await mkdir(join(world.folder, 'secrets'));
    await writeFile(join(world.folder, 'secrets', 'key.txt'), 'SECRET');
    await mkdir(join(world.workspace, 'target'));
    const swapper = await startSwapper(world);
    const seen = { added: 0, refused: 0 };
    try {
      const scope = { tool: 'append_file', workspace: world.workspace };
      const endMs = Date.now() + (isFull ? 1_500 : 300);
      while (Date.now() < endMs || seen.added <= 10 || seen.refused <= 10) {
        try {
          await appendInside(scope, 'target/key.txt', 'x', 1_000_000, () => Promise.resolve());
          seen.added++;
        } catch (error) {
          if (!(error instanceof CopilotError)) throw error;
          seen.refused++;
        }
      }
      assert.ok(swapper.isRunning(), 'still swapping');
    } finally {
      await swapper.stop();
    }
    assert.ok(seen.added > 10 && seen.refused > 10, `both happened: ${JSON.stringify(seen)}`);
    assert.equal(await readFile(join(world.folder, 'secrets', 'key.txt'), 'utf8'), 'SECRET');
  });
});
