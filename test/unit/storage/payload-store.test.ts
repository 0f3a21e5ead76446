/** A payload store in a folder, and none at all. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { openExternalStorage } from '../../../src/storage/payload-store.ts';
import { refuse } from '../../../src/storage/unreadable.ts';
import { keepsItsPromises, LARGE, of, payloadOf, storedFiles } from '../../helpers/payload-store.ts';

describe('a payload store in a folder', () => {
  let dir: string;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'copilot-test-'));
  });
  after(() => rm(dir, { recursive: true }));

  const runner = (path: string): ExternalStorageRunner =>
    new ExternalStorageRunner(openExternalStorage({ kind: 'folder', path }, refuse));

  keepsItsPromises(() => ({
    address: { kind: 'folder', path: dir },
    dir,
    prefix: '',
    leave: () => rename(dir, `${dir}-away`),
    comeBack: () => rename(`${dir}-away`, dir),
  }));

  it('has files for their owner alone, and nothing beside them', async () => {
    await runner(dir).store([payloadOf(LARGE)], { target: of('ses_mode') });
    const [file = ''] = await storedFiles(dir, 'ses_mode');
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(dirname(file))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(dirname(file)), [file.split('/').at(-1)]);
  });

  it('says what the system said where it cannot write, leaves nothing half done, and goes on when it can', async () => {
    const blocked = await mkdtemp(join(dir, 'blocked-'));
    // A file stands where a folder is to be made: a refusing disk that needs no rights.
    await writeFile(join(blocked, 'v0'), '');
    await assert.rejects(runner(blocked).store([payloadOf(LARGE)]), (error) => {
      assert.ok(error instanceof CopilotError && error.retryable);
      assert.match(error.message, /cannot be used \(.*(ENOTDIR|EEXIST)/);
      return true;
    });
    assert.deepEqual(await readdir(blocked), ['v0']);
    await rm(join(blocked, 'v0'));
    await mkdir(join(blocked, 'v0'));
    assert.equal((await runner(blocked).store([payloadOf(LARGE)])).length, 1);
  });
});

describe('without a payload store', () => {
  it('everything stays in the history, and a reference says which setting is missing', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'copilot-test-'));
    const without = new ExternalStorageRunner(openExternalStorage(undefined, refuse));
    const payload = payloadOf(LARGE);
    assert.deepEqual(await without.store([payload]), [payload]);
    const folder = new ExternalStorageRunner(openExternalStorage({ kind: 'folder', path: dir }, refuse));
    const sent = await folder.store([payload]);
    await assert.rejects(without.retrieve(sent), (error) => {
      assert.ok(error instanceof CopilotError);
      assert.match(error.message, /COPILOT_PAYLOAD_STORE= is not valid: the payload is in a folder/);
      return true;
    });
    await rm(dir, { recursive: true });
  });
});
