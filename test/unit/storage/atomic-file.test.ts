import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../../../src/storage/atomic-file.ts';
import { temporaryFolder } from '../../helpers/server.ts';

describe('a file that is written atomically', () => {
  let dir: string;

  before(async () => {
    dir = await temporaryFolder();
  });
  after(() => rm(dir, { recursive: true }));

  it('has the content and permissions that were asked for, and nothing lies beside it', async () => {
    const path = join(dir, 'a', 'b', 'file');
    await writeAtomically(path, 'one', { mode: 0o600, folderMode: 0o700 });
    await writeAtomically(path, Buffer.from('two'), { mode: 0o600 });
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(dir, 'a'))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(dir, 'a', 'b')), ['file']);
  });

  it('is the content of one writer if many write at once', async () => {
    const path = join(dir, 'many');
    const contents = Array.from({ length: 20 }, (_, index) => String(index).repeat(10_000));
    await Promise.all(contents.map((content) => writeAtomically(path, content)));
    assert.ok(contents.includes(await readFile(path, 'utf8')));
  });

  it('keeps the old content, and leaves no part behind, if writing fails', async () => {
    const path = join(dir, 'kept');
    await writeAtomically(path, 'old');
    await assert.rejects(writeAtomically(path, 'new', { signal: AbortSignal.abort(new Error('enough')) }));
    assert.equal(await readFile(path, 'utf8'), 'old');
    await mkdir(join(dir, 'folder'));
    await assert.rejects(writeAtomically(join(dir, 'folder'), 'x'));
    assert.deepEqual(
      (await readdir(dir)).filter((name) => name.endsWith('.part')),
      [],
    );
  });
});
