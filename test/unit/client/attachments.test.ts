import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Attachments, attachFiles } from '../../../src/client/creation/attachments.ts';
import { createFilesWorld, type FilesWorld } from './files-world.ts';

describe('attachments', () => {
  let world: FilesWorld;
  let folder: string;
  let workspace: string;
  const file = async (name: string, text: string): Promise<string> => await world.file(name, text);
  const attach = async (paths: readonly string[]): Promise<Attachments> =>
    await attachFiles(world.link, { sessionId: 'ses_1' }, paths);

  beforeEach(async () => {
    world = await createFilesWorld({ maxFileBytes: 3_000_000 });
    ({ folder, workspace } = world);
  });
  afterEach(() => world.remove());

  it('are copied into a workspace that is made for them', async () => {
    await attach([await file('a.csv', 'x,y'), await file('sub/b.txt', 'bee')]);
    assert.deepEqual((await readdir(workspace)).sort(), ['a.csv', 'b.txt']);
    assert.equal(await readFile(join(workspace, 'b.txt'), 'utf8'), 'bee');
  });

  it('that are images are told by their bytes, with size and digest', async () => {
    const png = join(folder, 'picture.txt');
    await writeFile(png, Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(8)]));
    const { images } = await attach([png, await file('false.png', 'no image')]);
    assert.deepEqual(
      images.map(({ path, mediaType, bytes }) => [path, mediaType, bytes]),
      [['picture.txt', 'image/png', 16]],
    );
    assert.match(images[0]?.digest ?? '', /^[0-9a-f]{64}$/);
  });

  it('leave nothing behind when they are undone', async () => {
    const copies = await attach([await file('a.csv', 'x')]);
    await copies.undo();
    assert.equal(existsSync(workspace), false);
  });

  it('do not touch what was in the workspace when they are undone', async () => {
    await file('workspaces/ses_1/mine.txt', 'mine');
    const copies = await attach([await file('a.csv', 'x')]);
    await copies.undo();
    assert.deepEqual(await readdir(workspace), ['mine.txt']);
  });

  it('that lie in the workspace already are left as they are', async () => {
    const mine = await file('workspaces/ses_1/a.csv', 'same');
    const copies = await attach([mine, await file('a.csv', 'same')].slice(0, 1));
    await attach([await file('a.csv', 'same')]);
    await copies.undo();
    assert.equal(await readFile(mine, 'utf8'), 'same');
  });

  const refused = async (paths: readonly string[], problem: RegExp): Promise<void> => {
    await assert.rejects(attach(paths), (error: Error & { type?: string }) => {
      assert.equal(error.type, 'InvalidInput');
      assert.match(error.message, problem);
      return true;
    });
  };

  it('that do not exist are refused by name, and nothing is copied', async () => {
    await refused([await file('a.csv', 'x'), join(folder, 'nope.csv')], /nope\.csv.*there is no such file/);
    assert.equal(existsSync(workspace), false);
  });

  it('that are too large are refused before anything is sent', async () => {
    const large = await world.file('large.csv', new Uint8Array(3_000_001));
    await assert.rejects(attach([await file('a.csv', 'x'), large]), (error: Error & { type?: string }) => {
      assert.equal(error.type, 'FileTooLarge');
      assert.match(error.message, /large\.csv" has 3000001 bytes, and the limit is 3000000\..*COPILOT_MAX_FILE_MIB/);
      return true;
    });
    assert.deepEqual(world.asked, []);
  });

  it('that are folders are refused', async () => {
    await refused([folder], /it is a folder/);
  });

  it('of the same name are refused', async () => {
    await refused([await file('a.csv', 'x'), await file('sub/a.csv', 'y')], /has the same name/);
  });

  it('whose name another file of the workspace has are refused, and that file is kept', async () => {
    const mine = await file('workspaces/ses_1/b.csv', 'mine');
    await refused(
      [await file('a.csv', 'x'), await file('b.csv', 'other')],
      /b\.csv.*another file of this name already/,
    );
    assert.equal(await readFile(mine, 'utf8'), 'mine');
    assert.deepEqual(await readdir(workspace), ['b.csv']);
  });
});
