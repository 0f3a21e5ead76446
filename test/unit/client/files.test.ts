import assert from 'node:assert/strict';
import { link, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { FILE_PART_BYTES } from '../../../src/contracts/files.ts';
import { fails } from '../../helpers/client.ts';
import { createFilesWorld, type FilesWorld, type FilesWorldOptions } from './files-world.ts';

const LARGE = randomBytes(2 * FILE_PART_BYTES + 17);

describe('files of a session', () => {
  const worlds: FilesWorld[] = [];
  const open = async (options?: FilesWorldOptions): Promise<FilesWorld> => {
    const world = await createFilesWorld(options);
    worlds.push(world);
    return world;
  };
  afterEach(async () => {
    for (const world of worlds.splice(0)) await world.remove();
  });

  it('come back as they were put, whatever their size', async () => {
    const { files, workspace, asked } = await open();
    for (const [path, content] of [
      ['empty.txt', Buffer.alloc(0)],
      ['notes/größe.txt', Buffer.from('Maße: 3 × 4')],
      ['exact.bin', randomBytes(FILE_PART_BYTES)],
      ['two.bin', randomBytes(2 * FILE_PART_BYTES)],
      ['large.bin', LARGE],
    ] as const) {
      const { bytes, isNew } = await files.put(path, content);
      assert.deepEqual([path, bytes, isNew], [path, content.length, true]);
      assert.ok(Buffer.from(await files.get(path)).equals(content), path);
    }
    await files.put('text.txt', 'as UTF-8: ä');
    assert.equal(await readFile(join(workspace, 'text.txt'), 'utf8'), 'as UTF-8: ä');
    assert.deepEqual(
      (await files.list()).map(({ path, bytes }) => `${path} ${bytes}`),
      [
        'empty.txt 0',
        `exact.bin ${FILE_PART_BYTES}`,
        `large.bin ${LARGE.length}`,
        'text.txt 12',
        `two.bin ${2 * FILE_PART_BYTES}`,
        'notes/größe.txt 13',
      ],
    );
    // Nothing that was asked is near Temporal's limit, and nothing is left of the parts.
    assert.ok(asked.filter(({ kind }) => kind === 'write').length > 8);
    assert.deepEqual(
      (await readdir(workspace)).filter((name) => name.startsWith('.')),
      [],
    );
    assert.equal((await stat(join(workspace, 'large.bin'))).mode & 0o777, 0o600);
  });

  it('are listed without a workspace, and page by page when there are many', async () => {
    const world = await open();
    const { files, workspace } = world;
    assert.deepEqual(await files.list(), []);
    assert.equal(existsSync(workspace), false);
    const folders = Array.from({ length: 6 }, (_, index) => join('workspaces/ses_1', `${index}`));
    for (const folder of folders) {
      for (let name = 0; name < 1_000; name++) await world.file(join(folder, `${name}.txt`), '');
    }
    const listed = await files.list();
    assert.deepEqual([listed.length, new Set(listed.map(({ path }) => path)).size], [6_000, 6_000]);
  });

  it('stay as they were if an upload is cut off, and can be put again', async () => {
    let isCut = true;
    const world = await open({
      before: (request) => {
        if (isCut && request.kind === 'write' && request.from === 2 * FILE_PART_BYTES) throw new Error('cut off');
        if (isCut && request.kind === 'undo') throw new Error('gone');
      },
    });
    const { files, workspace } = world;
    await files.put('large.bin', 'the old one');
    await assert.rejects(files.put('large.bin', LARGE), /cut off/);
    assert.equal(Buffer.from(await files.get('large.bin')).toString(), 'the old one');
    assert.deepEqual(
      (await files.list()).map(({ path }) => path),
      ['large.bin'],
    );
    isCut = false;
    const left = (await readdir(workspace)).filter((name) => name.startsWith('.copilot-upload-'));
    assert.equal(left.length, 1);
    // The client died. Its part goes when another upload begins long after.
    await utimes(join(workspace, left[0] ?? ''), 1, 1);
    assert.equal((await files.put('large.bin', LARGE)).isNew, false);
    assert.ok(Buffer.from(await files.get('large.bin')).equals(LARGE));
    assert.deepEqual(await readdir(workspace), ['large.bin']);
  });

  it('go on when the server comes back within the time that the client retries for', async () => {
    let failures = 3;
    const before = (): void => {
      if (failures-- > 0) throw new CopilotError('ServerUnreachable', { address: 'a:1', problem: 'it is away' });
    };
    const { files } = await open({ before, retryForMs: 60_000 });
    await files.put('large.bin', LARGE);
    failures = 1;
    assert.ok(Buffer.from(await files.get('large.bin')).equals(LARGE));
    const impatient = await open({ before });
    failures = 1;
    await fails(impatient.files.put('a.txt', 'x'), 'ServerUnreachable', /it is away/);
  });

  it('are not sent and written again if they are there already', async () => {
    const { files, asked, workspace } = await open();
    await files.put('large.bin', LARGE);
    const { ino } = await stat(join(workspace, 'large.bin'));
    const before = asked.length;
    assert.deepEqual(
      [
        (await files.put('large.bin', LARGE)).isNew,
        (await stat(join(workspace, 'large.bin'))).ino,
        asked.length - before,
      ],
      [false, ino, 1],
    );
  });

  it('come and go as streams, of which little is in memory', async () => {
    const { files, asked, workspace } = await open();
    let taken = 0;
    const chunks = function* (): Generator<Uint8Array> {
      for (; taken < LARGE.length; taken += 100_000) yield LARGE.subarray(taken, taken + 100_000);
    };
    const written = await files.put('large.bin', ReadableStream.from(chunks()));
    assert.deepEqual([written.bytes, written.isNew], [LARGE.length, true]);
    assert.equal((await files.put('large.bin', ReadableStream.from([LARGE]))).isNew, false);
    assert.deepEqual(await readdir(workspace), ['large.bin'], 'no part is left');
    assert.equal((await files.put('empty.txt', ReadableStream.from([]))).bytes, 0);
    const file = await files.open('large.bin');
    assert.deepEqual([file.bytes, file.digest, file.imageType], [LARGE.length, written.digest, null]);
    const { length } = asked;
    const parts = file.read();
    assert.ok(Buffer.from((await parts.next()).value ?? []).equals(LARGE.subarray(0, FILE_PART_BYTES)));
    await parts.return();
    assert.equal(asked.length - length, 1, 'no more than was taken is read');
    assert.ok((await buffer(file.read())).equals(LARGE));
    const range = { from: FILE_PART_BYTES - 5, to: 2 * FILE_PART_BYTES + 5 };
    assert.ok((await buffer(file.read(range))).equals(LARGE.subarray(range.from, range.to)));
  });

  it('say so if they change while they are streamed', async () => {
    const { files } = await open();
    await files.put('a.bin', LARGE);
    for (const other of [LARGE.subarray(1), LARGE.toReversed()]) {
      const file = await files.open('a.bin');
      await files.put('a.bin', other);
      await fails(buffer(file.read()), 'FilesUnavailable', /it changed meanwhile/);
    }
  });

  it('whose stream breaks off leave nothing, and are refused when they become too large', async () => {
    const { files, workspace } = await open({ maxFileBytes: 2 * FILE_PART_BYTES });
    const broken = function* (): Generator<Uint8Array> {
      yield LARGE.subarray(0, FILE_PART_BYTES + 1);
      throw new Error('the caller went away');
    };
    await assert.rejects(files.put('a.bin', ReadableStream.from(broken())), /went away/);
    await fails(files.put('a.bin', ReadableStream.from([LARGE])), 'FileTooLarge', /"a\.bin"/);
    await files.put('taken.bin', 'x');
    const stream = ReadableStream.from([LARGE.subarray(0, FILE_PART_BYTES + 1)]);
    await fails(files.put('taken.bin', stream, { replace: false }), 'FileExists', /"taken\.bin"/);
    assert.deepEqual(await readdir(workspace), ['taken.bin']);
  });

  it('are deleted, and nothing else is', async () => {
    const world = await open();
    const { files, workspace } = world;
    await files.put('notes/a.txt', 'x');
    await world.file('secret.txt', 'secret');
    await symlink(join(world.folder, 'secret.txt'), join(workspace, 'link.txt'));
    await files.delete('notes/a.txt');
    await fails(files.delete('notes/a.txt'), 'FileNotFound', /"notes\/a\.txt"/);
    await fails(files.delete('notes'), 'FileNotFound', /"notes"/);
    for (const path of ['../../secret.txt', 'link.txt']) await fails(files.delete(path), 'InvalidInput', /leads out/);
    assert.equal(await readFile(join(world.folder, 'secret.txt'), 'utf8'), 'secret');
  });

  it('are not replaced against the will of the caller', async () => {
    const { files } = await open();
    await files.put('a.txt', 'mine');
    await fails(files.put('a.txt', 'other', { replace: false }), 'FileExists', /"a\.txt"/);
    await fails(files.put('a.txt', LARGE, { replace: false }), 'FileExists', /"a\.txt"/);
    assert.equal((await files.put('a.txt', 'mine', { replace: false })).isNew, false);
    assert.equal(Buffer.from(await files.get('a.txt')).toString(), 'mine');
  });

  it('too large for client or worker are refused by size', async () => {
    const small = await open({ maxFileBytes: 5 });
    await fails(small.files.put('a', '123456'), 'FileTooLarge', /"a" has 6 bytes, and the limit is 5/);
    assert.deepEqual(small.asked, []);
    const worker = await open({ maxFileBytes: 5, clientLimit: 100 });
    await fails(worker.files.put('a', '123456'), 'FileTooLarge', /"a" has 6 bytes, and the limit is 5/);
    await worker.file('workspaces/ses_1/grown.txt', '123456');
    await fails(worker.files.get('grown.txt'), 'FileTooLarge', /"grown\.txt" has 6 bytes/);
  });

  it('outside of the workspace are out of reach', async () => {
    const world = await open();
    const { files, workspace, folder } = world;
    await world.file('secret.txt', 'secret');
    await world.file('workspaces/ses_2/other.txt', 'other');
    await mkdir(workspace, { recursive: true });
    await symlink(folder, join(workspace, 'out'));
    await symlink(join(folder, 'secret.txt'), join(workspace, 'link.txt'));
    const leads = ['../ses_2/other.txt', '../../secret.txt', join(folder, 'secret.txt'), 'out/secret.txt', 'link.txt'];
    for (const path of leads) {
      await fails(files.get(path), 'InvalidInput', /leads out of the workspace/);
      await fails(files.put(path, 'x'), 'InvalidInput', /leads out of the workspace/);
      await fails(files.put(path, LARGE), 'InvalidInput', /leads out of the workspace/);
    }
    for (const path of ['.', '\0', 'a\0b']) await fails(files.put(path, 'x'), 'InvalidInput', /File/);
    await fails(files.put('', 'x'), 'InvalidInput', /path/);
    await fails(files.get('nothing.txt'), 'FileNotFound', /ses_1 has no file "nothing\.txt"/);
    await fails(files.get('out/nothing.txt'), 'InvalidInput', /leads out/);
    assert.deepEqual(await files.list(), []);
    assert.equal(await readFile(join(folder, 'secret.txt'), 'utf8'), 'secret');
  });

  it('in a folder that the session names are kept from clients by the ceilings of the worker', async () => {
    const world = await open();
    const given = join(world.folder, 'project');
    await mkdir(given);
    await writeFile(join(given, 'a.txt'), 'mine');
    const named = await open({ given });
    assert.deepEqual(
      (await named.files.list()).map(({ path }) => path),
      ['a.txt'],
    );
    await named.files.put('b.txt', 'new');
    const denied = await open({ given, ceilings: ['write'] });
    assert.equal(Buffer.from(await denied.files.get('b.txt')).toString(), 'new');
    await fails(denied.files.put('c.txt', 'x'), 'InvalidInput', /never runs "write"/);
    await fails((await open({ given, ceilings: ['read'] })).files.list(), 'InvalidInput', /never runs "read"/);
    const own = await open({ ceilings: ['read', 'write'] });
    await own.files.put('c.txt', 'x');
  });

  it('that change while they are read are read anew', async () => {
    let changes = 1;
    const world: FilesWorld = await open({
      before: async (request) => {
        if (request.kind === 'read' && changes-- > 0) await world.file('workspaces/ses_1/a.txt', `version ${changes}`);
      },
    });
    await world.files.put('a.txt', 'old');
    assert.equal(Buffer.from(await world.files.get('a.txt')).toString(), 'version 0');
    changes = 100;
    await fails(world.files.get('a.txt'), 'FilesUnavailable', /it changes all the time/);
  });

  it('with another name elsewhere keep what that has when they are replaced', async () => {
    const world = await open();
    const original = await world.file('original.txt', 'of the user');
    await mkdir(world.workspace, { recursive: true });
    await link(original, join(world.workspace, 'a.txt'));
    await world.files.put('a.txt', 'new');
    assert.equal(await readFile(original, 'utf8'), 'of the user');
  });
});
