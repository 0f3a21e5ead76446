import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { copyAttachments } from '../../../src/client/creation/attachments.ts';
import { temporaryFolder } from '../../helpers/server.ts';

describe('attachments', () => {
  let folder: string;
  let workspace: string;
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
    return path;
  };

  beforeEach(async () => {
    folder = await temporaryFolder();
    workspace = join(folder, 'workspaces', 'ses_1');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are copied into a workspace that is made for them', async () => {
    await copyAttachments([await file('a.csv', 'x,y'), await file('sub/b.txt', 'bee')], workspace);
    assert.deepEqual((await readdir(workspace)).sort(), ['a.csv', 'b.txt']);
    assert.equal(await readFile(join(workspace, 'b.txt'), 'utf8'), 'bee');
  });

  it('that are images are told by their bytes, with size and digest', async () => {
    const png = join(folder, 'picture.txt');
    await writeFile(png, Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(8)]));
    const { images } = await copyAttachments([png, await file('false.png', 'no image')], workspace);
    assert.deepEqual(
      images.map(({ path, mediaType, bytes }) => [path, mediaType, bytes]),
      [['picture.txt', 'image/png', 16]],
    );
    assert.match(images[0]?.digest ?? '', /^[0-9a-f]{64}$/);
  });

  it('leave nothing behind when they are undone', async () => {
    const copies = await copyAttachments([await file('a.csv', 'x')], workspace);
    await copies.undo();
    assert.equal(existsSync(workspace), false);
  });

  it('do not touch what was in the workspace when they are undone', async () => {
    await file('workspaces/ses_1/mine.txt', 'mine');
    const copies = await copyAttachments([await file('a.csv', 'x')], workspace);
    await copies.undo();
    assert.deepEqual(await readdir(workspace), ['mine.txt']);
  });

  it('that lie in the workspace already are left as they are', async () => {
    const mine = await file('workspaces/ses_1/a.csv', 'same');
    const copies = await copyAttachments([mine, await file('a.csv', 'same')].slice(0, 1), workspace);
    await copyAttachments([await file('a.csv', 'same')], workspace);
    await copies.undo();
    assert.equal(await readFile(mine, 'utf8'), 'same');
  });

  const refused = async (paths: readonly string[], problem: RegExp): Promise<void> => {
    await assert.rejects(copyAttachments(paths, workspace), (error: Error & { type?: string }) => {
      assert.equal(error.type, 'InvalidInput');
      assert.match(error.message, problem);
      return true;
    });
  };

  it('that do not exist are refused by name, and nothing is copied', async () => {
    await refused([await file('a.csv', 'x'), join(folder, 'nope.csv')], /nope\.csv.*there is no such file/);
    assert.equal(existsSync(workspace), false);
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
