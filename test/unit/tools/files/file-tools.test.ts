import assert from 'node:assert/strict';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { haltBusy } from '../../../helpers/cpu-time.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld, problemOf } from '../tool-world.ts';
import { builtInTools, runTool } from '../../../../src/tools/registry.ts';

describe('file tools', () => {
  let world: ToolWorld;
  const put = async (path: string, content: string | Buffer): Promise<void> => {
    await mkdir(join(world.workspace, path, '..'), { recursive: true });
    await writeFile(join(world.workspace, path), content);
  };
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());

  describe('list_files', () => {
    it('lists names with sizes, folders before their content', async () => {
      await put('b.txt', 'four');
      await put('a/deep/x.txt', '');
      await put('a/y.txt', 'ä');
      assert.equal(
        (await world.call('list_files', {})).text,
        'a/\nb.txt (4 bytes)\na/deep/\na/y.txt (2 bytes)\na/deep/x.txt (0 bytes)',
      );
      assert.equal((await world.call('list_files', { recursive: false })).text, 'a/\nb.txt (4 bytes)');
      assert.equal((await world.call('list_files', { path: 'a/deep' })).text, 'a/deep/x.txt (0 bytes)');
    });

    it('says that a folder is empty', async () => {
      await mkdir(join(world.workspace, 'void'));
      assert.equal((await world.call('list_files', { path: 'void' })).text, 'void is empty.');
      assert.equal(
        (await (await createToolWorldAndRemoveLater()).call('list_files', {})).text,
        'The workspace is empty.',
      );
    });

    it('shows 1,000 entries and says that there are more', async () => {
      for (let i = 0; i < 1_001; i++) await put(`f${i}`, '');
      const lines = (await world.call('list_files', {})).text.split('\n');
      assert.equal(lines.length, 1_001);
      assert.equal(
        lines[1_000],
        '[The first 1000 entries; there are more. List a subfolder, or pass recursive: false.]',
      );
    });
  });

  describe('read_file', () => {
    it('gives a text exactly as it is, without its byte order mark', async () => {
      await put('a.txt', '\uFEFFeins\r\nzwei ü\n');
      assert.equal((await world.call('read_file', { path: 'a.txt' })).text, 'eins\r\nzwei ü\n');
    });

    it('gives a range of lines and says where it stands', async () => {
      await put('a.txt', '1\n2\n3\n4\n5\n');
      assert.equal(
        (await world.call('read_file', { path: 'a.txt', offset_line: 2, limit_lines: 2 })).text,
        '2\n3\n[Lines 2 to 3 of 5. Continue with offset_line 4.]',
      );
      assert.equal(
        (await world.call('read_file', { path: 'a.txt', offset_line: 4 })).text,
        '4\n5\n[Lines 4 to 5 of 5.]',
      );
      assert.match(
        await world.refused('read_file', { path: 'a.txt', offset_line: 6 }),
        /^"a.txt" has 5 lines, so it has no line 6/,
      );
    });

    it('stops at 200,000 characters between lines, or within a line that is longer', async () => {
      await put('lines.txt', `${'x'.repeat(99)}\n`.repeat(3_000));
      assert.match(
        (await world.call('read_file', { path: 'lines.txt' })).text,
        /\n\[Lines 1 to 2000 of 3000. Continue with offset_line 2001.\]$/,
      );
      await put('long.txt', 'y'.repeat(300_000));
      const { text } = await world.call('read_file', { path: 'long.txt' });
      assert.match(text, /^y{200000}\n\[Line 1 of 1, cut after 200000 characters.\]$/);
    });

    it('says that a file is empty', async () => {
      await put('empty.txt', '');
      assert.equal((await world.call('read_file', { path: 'empty.txt' })).text, '[empty.txt is empty.]');
    });

    it('refuses binary files, other encodings, and files over 20 MiB', async () => {
      await put('image.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2]));
      await put('latin1.txt', Buffer.from('M\u00fcnchen', 'latin1'));
      await put('huge.txt', '');
      await truncate(join(world.workspace, 'huge.txt'), 20 * 1024 * 1024 + 1);
      assert.match(await world.refused('read_file', { path: 'image.png' }), /^"image.png" is not UTF-8 text \(7 bytes/);
      assert.match(await world.refused('read_file', { path: 'latin1.txt' }), /^"latin1.txt" is not UTF-8 text/);
      assert.match(
        await world.refused('read_file', { path: 'huge.txt' }),
        /^"huge.txt" has 20971521 bytes, and the limit is 20971520/,
      );
    });
  });

  describe('write_file', () => {
    it('creates folders, replaces, counts bytes and names the file as an artifact', async () => {
      const first = await world.call('write_file', { path: 'out/notes/a.md', content: 'größer' });
      assert.deepEqual(first, { text: 'Wrote out/notes/a.md (8 bytes).', artifacts: ['out/notes/a.md'] });
      await world.call('write_file', { path: 'out/notes/a.md', content: 'b' });
      assert.equal(await readFile(join(world.workspace, 'out/notes/a.md'), 'utf8'), 'b');
    });

    it('refuses more than 10 MiB and writes nothing', async () => {
      assert.match(
        await world.refused('write_file', { path: 'x', content: 'x'.repeat(10 * 1024 * 1024 + 1) }),
        /^the content for "x" has 10485761 bytes/,
      );
      assert.equal((await world.call('list_files', {})).text, 'The workspace is empty.');
    });
  });

  describe('search_files', () => {
    it('finds plain text, dots and brackets included, as file:line: text', async () => {
      await put('a.ts', 'one\r\nf(x).y\r\n');
      await put('b/c.ts', 'f(x)zy\nf(x).y again');
      assert.equal(
        (await world.call('search_files', { pattern: 'f(x).y' })).text,
        'a.ts:2: f(x).y\nb/c.ts:2: f(x).y again',
      );
      assert.equal((await world.call('search_files', { pattern: 'f(x).y', path: 'b' })).text, 'b/c.ts:2: f(x).y again');
      assert.equal((await world.call('search_files', { pattern: 'f(x).y', path: 'a.ts' })).text, 'a.ts:2: f(x).y');
      assert.equal((await world.call('search_files', { pattern: 'F(X)' })).text, 'No line contains "F(X)".');
    });

    it('finds by regular expression', async () => {
      await put('a.txt', 'x1\ny22\nz\n');
      assert.equal(
        (await world.call('search_files', { pattern: '^[a-z]\\d+$', regex: true })).text,
        'a.txt:1: x1\na.txt:2: y22',
      );
      assert.equal((await world.call('search_files', { pattern: '^$', regex: true })).text, 'No line contains "^$".');
      assert.match(
        await world.refused('search_files', { pattern: '(', regex: true }),
        /^"\(" is not a valid regular expression \(.*Unterminated group\)/,
      );
    });

    it('stops at max_results and says that there are more; passes binary files over and says so', async () => {
      await put('a.txt', 'hit\n'.repeat(5));
      await put('b.bin', Buffer.from([104, 105, 116, 0]));
      assert.equal(
        (await world.call('search_files', { pattern: 'hit', max_results: 2 })).text,
        'a.txt:1: hit\na.txt:2: hit\n[The first 2 matching lines; there are more. Narrow the pattern or the path.]\n[Not searched: b.bin (not UTF-8 text).]',
      );
      const { text } = await world.call('search_files', { pattern: 'hit', max_results: 5 });
      assert.equal(
        text,
        `${[1, 2, 3, 4, 5].map((line) => `a.txt:${line}: hit`).join('\n')}\n[Not searched: b.bin (not UTF-8 text).]`,
      );
    });

    it('shortens long lines', async () => {
      await put('a.txt', `hit${'x'.repeat(1_000)}`);
      assert.equal((await world.call('search_files', { pattern: 'hit' })).text, `a.txt:1: hit${'x'.repeat(396)}…`);
    });

    it('ends a catastrophic expression on time, and the program goes on meanwhile', async function () {
      // By itself it would end after days.
      this.timeout(60_000);
      await put('a.txt', `${'a'.repeat(50)}!`);
      let ticks = 0;
      const ticker = setInterval(() => ticks++, 50);
      assert.match(
        await haltBusy(() => world.refused('search_files', { pattern: '^(a+)+$', regex: true })),
        /^the regular expression "\^\(a\+\)\+\$" took more than 5 s. Avoid nested repetition/,
      );
      clearInterval(ticker);
      assert.ok(ticks > 10, `${ticks} ticks`);
    });

    it('ends at once when the turn is interrupted', async () => {
      await put('a.txt', `${'a'.repeat(50)}!`);
      const interrupt = new AbortController();
      setTimeout(() => interrupt.abort(new Error('interrupted')), 200);
      const search = runTool(builtInTools, 'search_files', '{"pattern":"^(a+)+$","regex":true}', {
        ...world.context,
        signal: interrupt.signal,
      });
      // Later it would be told that its time is up.
      await assert.rejects(search, { message: 'interrupted' });
    });
  });

  it('tells of a tool that is not there', async () => {
    assert.match(
      await problemOf('reed_file', runTool(builtInTools, 'reed_file', '{}', world.context)),
      /Did you mean "read_file"\?/,
    );
  });

  const others: ToolWorld[] = [];
  const createToolWorldAndRemoveLater = async (): Promise<ToolWorld> => {
    const other = await createToolWorld();
    others.push(other);
    return other;
  };
  after(() => Promise.all(others.map((other) => other.remove())));
});
