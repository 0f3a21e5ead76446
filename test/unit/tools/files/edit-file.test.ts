import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { updateInside } from '../../../../src/tools/workspace/changes.ts';
import { nearestPlace } from '../../../../src/tools/files/nearest-place.ts';
import { linesAt, findOccurrences } from '../../../../src/tools/files/occurrences.ts';
import { cpuTimer } from '../../../helpers/cpu-time.ts';
import type { ToolWorld } from '../tool-world.ts';
import { createToolWorld } from '../tool-world.ts';

describe('edit_file', () => {
  let world: ToolWorld;
  beforeEach(async () => {
    world = await createToolWorld();
  });
  afterEach(() => world.remove());
  const put = (content: string | Buffer): Promise<void> => writeFile(join(world.workspace, 'a.txt'), content);
  const now = (): Promise<string> => readFile(join(world.workspace, 'a.txt'), 'utf8');
  const edit = (old_text: string, new_text: string, options: object = {}) =>
    world.call('edit_file', { path: 'a.txt', old_text, new_text, ...options });
  const refused = (old_text: string, new_text = 'new', options: object = {}): Promise<string> =>
    world.refused('edit_file', { path: 'a.txt', old_text, new_text, ...options });

  it('replaces a text that occurs once, over several lines too, and leaves the rest', async () => {
    await put('one\n  two\nthree\n');
    const result = await edit('  two\nthree', '  2 $& $1\n3');
    assert.deepEqual(result, { text: 'Edited a.txt at line 2 (16 bytes now).', artifacts: ['a.txt'] });
    assert.equal(await now(), 'one\n  2 $& $1\n3\n');
    await edit('one\n', '');
    assert.equal(await now(), '  2 $& $1\n3\n');
  });

  it('replaces every occurrence with replace_all, from left to right', async () => {
    await put('aaaa b\naab\n');
    assert.equal(
      (await edit('aa', 'a', { replace_all: true })).text,
      'Edited a.txt at 3 places, in lines 1, 2 (8 bytes now).',
    );
    assert.equal(await now(), 'aa b\nab\n');
  });

  it('refuses a text that occurs more than once, says where, and changes nothing', async () => {
    await put('x = 1\ny = 2\nx = 1\n');
    assert.equal(
      await refused('x = 1'),
      'old_text occurs 2 times in "a.txt", in lines 1, 3. Add lines before or after it to old_text and new_text until only one place fits, or pass replace_all: true.',
    );
    await put('x'.repeat(3));
    assert.match(await refused('xx'), /^old_text occurs 2 times in "a.txt", all in line 1\./);
    await put('x\n'.repeat(50));
    assert.match(await refused('x'), /occurs 50 times in "a.txt", in lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and more\./);
    assert.equal(await now(), 'x\n'.repeat(50));
  });

  it('shows the nearest line where the text is not there', async () => {
    await put('function total(items) {\n    return items.length;\n}\n');
    assert.equal(
      await refused('function totals(item) {'),
      'old_text does not occur in "a.txt". The nearest line is line 1: "function total(items) {". Give it exactly as read_file shows it.',
    );
    assert.match(await refused('zzz 123'), /^old_text does not occur in "a.txt". No line of the file is similar\./);
  });

  it('says where a text only differs in white space, and where it begins to differ', async () => {
    await put('a\nif (x) {\n\treturn 1;\n}\n');
    assert.match(
      await refused('if (x) {\n    return 1;\n}'),
      /From line 2 \("if \(x\) \{"\) on only the white space differs\./,
    );
    assert.match(
      await refused('if (x) {\n\treturn 2;\n}'),
      /It begins as line 2 \("if \(x\) \{"\), but then line 3 is "\\treturn 1;", and old_text has "\\treturn 2;"\./,
    );
    assert.match(
      await refused('}\n\nmore'),
      /It begins as line 4 \("}"\), but then the file ends, and old_text has "more"\./,
    );
    await put('last');
    assert.match(await refused('last\nmore'), /It begins as line 1 \("last"\), but then the file ends, and old_text/);
  });

  it('says that nothing would change', async () => {
    await put('same');
    assert.match(await refused('same', 'same'), /^old_text and new_text are the same/);
  });

  it('takes \\n for the line breaks of a file that has \\r\\n, and keeps those and a byte order mark', async () => {
    await put('\uFEFFone\r\ntwo\r\nthree\r\n');
    await edit('one\ntwo', 'ONE\nTWO');
    assert.equal(await now(), '\uFEFFONE\r\nTWO\r\nthree\r\n');
    await edit('three', '3\n4');
    assert.equal(await now(), '\uFEFFONE\r\nTWO\r\n3\r\n4\r\n');
    await put('mixed\r\nbreaks\nstay\r\n');
    await edit('breaks\nstay', 'a\nb');
    assert.equal(await now(), 'mixed\r\na\nb\r\n');
  });

  it('keeps every other byte, whatever the texts are', async () => {
    const seed = Date.now() % 1_000_000;
    const part = fc.string({ unit: 'binary', maxLength: 20 }).map((text) => text.replace(/[\0\r\uFEFF]/g, ''));
    await fc.assert(
      fc.asyncProperty(part, part, part, async (before, after, next) => {
        await put(`${before}<old>${after}`);
        const wellFormed = Buffer.from(`${before}${next}${after}`).toString();
        if (next === '<old>' || before.includes('<old>') || after.includes('<old>')) return;
        await edit('<old>', next);
        assert.equal(await now(), wellFormed);
      }),
      { seed, numRuns: 30 },
    );
  });

  it('refuses binary files, a missing one, and more than 10 MiB, before or after', async () => {
    await put(Buffer.from([1, 0, 2]));
    assert.match(await refused('x'), /^"a.txt" is not UTF-8 text \(3 bytes/);
    assert.match(
      await world.refused('edit_file', { path: 'none.txt', old_text: 'a', new_text: 'b' }),
      /^"none.txt" does not exist/,
    );
    await put('ab'.repeat(100));
    assert.match(
      await refused('a', 'x'.repeat(200_000), { replace_all: true }),
      /^"a.txt" would become larger than 10485760 bytes, which is the limit\./,
    );
    assert.equal(await now(), 'ab'.repeat(100));
    await truncate(join(world.workspace, 'a.txt'), 10 * 1024 * 1024 + 1);
    assert.match(await refused('x'), /^"a.txt" has 10485761 bytes, and the limit is 10485760\./);
  });

  it('stays in the workspace', async () => {
    await mkdir(join(world.folder, 'out'));
    await writeFile(join(world.folder, 'out', 'key.txt'), 'SECRET');
    await symlink(join(world.folder, 'out', 'key.txt'), join(world.workspace, 'link'));
    await symlink(join(world.folder, 'out'), join(world.workspace, 'folder'));
    for (const path of ['../out/key.txt', join(world.folder, 'out/key.txt'), 'link', 'folder/key.txt']) {
      assert.match(
        await world.refused('edit_file', { path, old_text: 'SECRET', new_text: 'x' }),
        /leads out of the workspace/,
      );
    }
    assert.equal(await readFile(join(world.folder, 'out', 'key.txt'), 'utf8'), 'SECRET');
  });

  it('keeps permissions and leaves no passing file', async () => {
    await put('old');
    await chmod(join(world.workspace, 'a.txt'), 0o750);
    await edit('old', 'new');
    await refused('old');
    assert.equal((await stat(join(world.workspace, 'a.txt'))).mode & 0o777, 0o750);
    assert.deepEqual(await readdir(world.workspace), ['a.txt']);
  });

  it('loses none of many edits and additions that run side by side', async () => {
    await put(Array.from({ length: 20 }, (_, index) => `<${index}>\n`).join(''));
    await Promise.all([
      ...Array.from({ length: 20 }, (_, index) => edit(`<${index}>`, `[${index}]`)),
      ...Array.from({ length: 20 }, (_, index) =>
        world.call('append_file', { path: './a.txt', content: `+${index}\n` }),
      ),
    ]);
    const lines = (await now()).trimEnd().split('\n');
    assert.deepEqual(
      lines.slice(0, 20),
      Array.from({ length: 20 }, (_, index) => `[${index}]`),
    );
    assert.deepEqual(lines.slice(20).sort(), Array.from({ length: 20 }, (_, index) => `+${index}`).sort());
  });

  it('does not write over what somebody else has changed meanwhile', async () => {
    await put('old');
    // Another program, at the very moment at which the content has been read.
    const scope = { tool: 'edit_file', workspace: world.workspace };
    const swap = spawn('sh', ['-c', 'read _; printf theirs > b && mv b a.txt; echo done'], {
      cwd: world.workspace,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const done = once(swap, 'exit');
    const change = (content: Buffer): string => {
      swap.stdin.write('\n');
      const endMs = Date.now() + 10_000;
      while (readFileSync(join(world.workspace, 'a.txt'), 'utf8') !== 'theirs' && Date.now() < endMs);
      return `${content.toString()} and mine`;
    };
    const update = updateInside(scope, 'a.txt', 100, change, () => Promise.resolve());
    await assert.rejects(update, { message: /"a.txt" was changed by another program meanwhile\. Read it again/ });
    await done;
    assert.equal(await now(), 'theirs');
    assert.deepEqual(await readdir(world.workspace), ['a.txt']);
  });
});

describe('the search for a text to edit', function () {
  this.timeout(120_000);

  it('finds what a plain search finds', () => {
    const seed = Date.now() % 1_000_000;
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 });
    const wanted = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(letters, wanted, (text, part) => {
        const expected = Array.from(text, (_, at) => at).filter((at) => text.startsWith(part, at));
        assert.deepEqual(findOccurrences(text, part), expected);
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it('takes time in proportion, where V8 needs minutes', () => {
    const computedMs = cpuTimer();
    assert.deepEqual(findOccurrences('a'.repeat(10_000_000), `${'a'.repeat(50_000)}b${'a'.repeat(50_000)}`), []);
    const tookMs = computedMs();
    assert.ok(tookMs < 15_000, `${tookMs} ms`);
  });

  it('counts lines', () => {
    assert.deepEqual(linesAt('a\nb\n\nc', [0, 1, 2, 5]), [1, 1, 2, 4]);
  });

  it('finds the nearest place of large files soon', () => {
    const text = '}\n'.repeat(200_000);
    const computedMs = cpuTimer();
    assert.match(nearestPlace(text, `${'}\n'.repeat(1_000)}x`), /^From line 1 |^It begins as line 1 /);
    assert.equal(
      nearestPlace('some words to compare with\n'.repeat(100_000), 'nothing'),
      'No line of the file is similar.',
    );
    const tookMs = computedMs();
    assert.ok(tookMs < 15_000, `${tookMs} ms`);
  });
});
