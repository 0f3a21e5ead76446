import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { CopilotError } from '../../../../src/contracts/errors.ts';
import { packageDir } from '../../../../src/package-info.ts';
import { readInside, writeInside } from '../../../../src/tools/workspace/content.ts';
import { resolveInside } from '../../../../src/tools/workspace/paths.ts';
import { isFull } from '../../../helpers/full.ts';
import { startSwapper } from './swapper.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld } from '../tool-world.ts';

describe('the workspace', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
    await mkdir(join(world.folder, 'secrets'));
    await writeFile(join(world.folder, 'secrets', 'key.txt'), 'SECRET');
    await writeFile(join(world.workspace, 'inside.txt'), 'inside');
  });
  afterEach(() => world.remove());

  it('takes relative paths, and absolute ones that lie inside', async () => {
    const absolute = join(world.workspace, 'inside.txt');
    assert.equal((await world.call('read_file', { path: 'inside.txt' })).text, 'inside');
    assert.equal((await world.call('read_file', { path: './x/../inside.txt' })).text, 'inside');
    assert.equal((await world.call('read_file', { path: absolute })).text, 'inside');
  });

  it("is written to under Node's permission model, where files stay their owner's", async () => {
    const module = join(packageDir, 'src/tools/workspace/content.ts');
    const scope = JSON.stringify({ tool: 'test', workspace: world.workspace });
    const program = `import { writeInside } from ${JSON.stringify(module)}; await writeInside(${scope}, 'new/a.txt', 'text');`;
    const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--input-type=module'];
    execFileSync(process.execPath, [...flags, '--eval', program], { stdio: 'pipe' });
    assert.equal(await readFile(join(world.workspace, 'new/a.txt'), 'utf8'), 'text');
    assert.equal((await stat(join(world.workspace, 'new/a.txt'))).mode & 0o777, 0o600);
  });

  it('takes absolute paths also where the workspace itself is reached by a link', async () => {
    const link = join(world.folder, 'link-to-workspace');
    await symlink(world.workspace, link);
    const scope = { tool: 'test', workspace: link };
    assert.equal((await resolveInside(scope, join(link, 'inside.txt'))).relative, 'inside.txt');
    assert.equal((await resolveInside(scope, '.')).relative, '.');
  });

  for (const path of ['..', '../secrets/key.txt', 'a/../../secrets/key.txt', '/etc/passwd', '../workspace-2/x']) {
    it(`refuses ${path} for reading, writing, listing, searching and profiling, and names it`, async () => {
      const calls: [string, object][] = [
        ['read_file', { path }],
        ['write_file', { path, content: 'x' }],
        ['list_files', { path }],
        ['search_files', { path, pattern: 'S' }],
        ['table_profile', { path }],
      ];
      for (const [tool, input] of calls) {
        assert.match(
          await world.refused(tool, input),
          new RegExp(`^"${path}" leads out of the workspace. Use a path inside it`),
        );
      }
      assert.equal(await readFile(join(world.folder, 'secrets', 'key.txt'), 'utf8'), 'SECRET');
    });
  }

  it('refuses a link out, as file, as folder, and above a file that is not there yet', async () => {
    await symlink(join(world.folder, 'secrets', 'key.txt'), join(world.workspace, 'key-link'));
    await symlink(join(world.folder, 'secrets'), join(world.workspace, 'folder-link'));
    await symlink(join(world.folder, 'secrets', 'new.txt'), join(world.workspace, 'dangling'));
    const outside = /leads out of the workspace/;
    assert.match(await world.refused('read_file', { path: 'key-link' }), outside);
    assert.match(await world.refused('write_file', { path: 'key-link', content: 'x' }), outside);
    assert.match(await world.refused('read_file', { path: 'folder-link/key.txt' }), outside);
    assert.match(await world.refused('write_file', { path: 'folder-link/new.txt', content: 'x' }), outside);
    assert.match(await world.refused('write_file', { path: 'folder-link/deep/new.txt', content: 'x' }), outside);
    assert.match(await world.refused('list_files', { path: 'folder-link' }), outside);
    assert.match(await world.refused('search_files', { path: 'folder-link', pattern: 'S' }), outside);
    assert.match(
      await world.refused('write_file', { path: 'dangling', content: 'x' }),
      /"dangling" does not exist, or is a link to nowhere/,
    );
    assert.deepEqual(await readdir(join(world.folder, 'secrets')), ['key.txt']);
    assert.equal(await readFile(join(world.folder, 'secrets', 'key.txt'), 'utf8'), 'SECRET');
  });

  it('does not follow links while listing and searching', async () => {
    await symlink(join(world.folder, 'secrets'), join(world.workspace, 'folder-link'));
    assert.equal((await world.call('list_files', {})).text, 'folder-link (link, not followed)\ninside.txt (6 bytes)');
    assert.equal((await world.call('search_files', { pattern: 'SECRET' })).text, 'No line contains "SECRET".');
  });

  it('follows a link that stays inside', async () => {
    await mkdir(join(world.workspace, 'real'));
    await symlink('real', join(world.workspace, 'alias'));
    assert.deepEqual((await world.call('write_file', { path: 'alias/a.txt', content: 'A' })).artifacts, ['real/a.txt']);
    assert.equal((await world.call('read_file', { path: 'alias/a.txt' })).text, 'A');
  });

  it('never reads or writes outside while a folder is swapped with a link all the time', async function () {
    // Another process swaps as fast as it can; with little processor time for both this takes long.
    this.timeout(120_000);
    await mkdir(join(world.workspace, 'target'));
    await writeFile(join(world.workspace, 'target', 'key.txt'), 'harmless');
    const swapper = await startSwapper(world);
    const seen = { harmless: 0, refused: 0 };
    try {
      const scope = { tool: 'test', workspace: world.workspace };
      const endMs = Date.now() + (isFull ? 2_000 : 300);
      for (let round = 0; Date.now() < endMs || seen.harmless <= 10 || seen.refused <= 10; round++) {
        try {
          const { content } = await readInside(scope, 'target/key.txt', 100);
          assert.equal(content.toString(), 'harmless');
          seen.harmless++;
          await writeInside(scope, `target/new-${round % 5}.txt`, 'x');
        } catch (error) {
          if (!(error instanceof CopilotError)) throw error;
          seen.refused++;
        }
      }
      assert.ok(swapper.isRunning(), 'still swapping');
    } finally {
      await swapper.stop();
    }
    assert.ok(seen.harmless > 10 && seen.refused > 10, `both happened: ${JSON.stringify(seen)}`);
    assert.deepEqual(await readdir(join(world.folder, 'secrets')), ['key.txt']);
  });

  it('refuses a FIFO, a socket and a device at once instead of waiting for them', async function () {
    // Nobody ever comes to the other end of the pipe.
    this.timeout(60_000);
    execFileSync('mkfifo', [join(world.workspace, 'pipe')]);
    const server = createServer().listen(join(world.workspace, 'socket'));
    await once(server, 'listening');
    for (const path of ['pipe', 'socket']) {
      const special = new RegExp(`^"${path}" is a pipe, socket or device. Give a regular file.`);
      assert.match(await world.refused('read_file', { path }), special);
      assert.match(await world.refused('write_file', { path, content: 'x' }), special);
      assert.match(await world.refused('table_profile', { path }), special);
      assert.match(await world.refused('search_files', { path, pattern: 'x' }), special);
    }
    assert.equal((await world.call('search_files', { pattern: 'inside' })).text, 'inside.txt:1: inside');
    assert.match((await world.call('list_files', {})).text, /^pipe \(special, not readable\)$/m);
    server.close();
  });

  it('names a missing path, a folder given as a file, and a file given as a folder', async () => {
    assert.match(
      await world.refused('read_file', { path: 'nope.txt' }),
      /^"nope.txt" does not exist. list_files shows/,
    );
    assert.match(await world.refused('read_file', { path: '.' }), /^"." is a folder. Give a file/);
    assert.match(await world.refused('list_files', { path: 'inside.txt' }), /^"inside.txt" is not a folder/);
    assert.match(
      await world.refused('write_file', { path: 'inside.txt/x', content: '' }),
      /^"inside.txt\/x" uses a file or a link as a folder/,
    );
    assert.match(await world.refused('read_file', { path: 'a\0b' }), /is not a usable path/);
    assert.match(await world.refused('read_file', { path: 'x'.repeat(300) }), /is too long. Use shorter names/);
    assert.match(
      await world.refused('write_file', { path: 'd/'.repeat(70) + 'x', content: '' }),
      /more than 64 folders deep/,
    );
  });

  it('replaces a file in one step: a reader sees the old or the new content and nothing else', async () => {
    const path = join(world.workspace, 'big.txt');
    const [old, next] = ['a'.repeat(3_000_000), 'b'.repeat(3_000_000)];
    await writeFile(path, old);
    const state = { writing: true };
    const contents = new Set<string>();
    const reader = (async () => {
      while (state.writing) contents.add(await readFile(path, 'utf8'));
    })();
    for (let round = 0; round < 10; round++)
      await world.call('write_file', { path: 'big.txt', content: round % 2 ? old : next });
    state.writing = false;
    await reader;
    assert.deepEqual(
      [...contents].map((content) => content === old || content === next),
      [...contents].map(() => true),
    );
    assert.deepEqual((await readdir(world.workspace)).sort(), ['big.txt', 'inside.txt']);
  });

  it('leaves no half file and no listed remains when its process is killed while writing', async () => {
    await writeFile(join(world.workspace, 'report.md'), 'old');
    const script = `
      import { writeInside } from ${JSON.stringify(join(process.cwd(), 'src/tools/workspace/content.ts'))};
      const content = 'n'.repeat(50_000_000);
      console.log('writing');
      for (;;) await writeInside({ tool: 't', workspace: ${JSON.stringify(world.workspace)} }, 'report.md', content);`;
    const writer = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(writer.stdout, 'data');
    await new Promise((resolve) => setTimeout(resolve, 30));
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    const { size } = await stat(join(world.workspace, 'report.md'));
    assert.ok(size === 3 || size === 50_000_000, `${size} bytes`);
    assert.match((await world.call('list_files', {})).text, /^inside.txt \(6 bytes\)\nreport.md \(\d+ bytes\)$/);
  });

  it('keeps the permissions of the file that it replaces', async () => {
    await chmod(join(world.workspace, 'inside.txt'), 0o750);
    await world.call('write_file', { path: 'inside.txt', content: 'new' });
    assert.equal((await stat(join(world.workspace, 'inside.txt'))).mode & 0o777, 0o750);
  });
});
