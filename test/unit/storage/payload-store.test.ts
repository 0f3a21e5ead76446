/** Where large payloads lie: the same promises of a folder and of S3, and what each does when it cannot. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { defaultPayloadConverter, type Payload, type StorageDriver, type StorageDriverTargetInfo } from '@temporalio/common';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { loadConfig } from '../../../src/config.ts';
import { CopilotError } from '../../../src/contracts/errors.ts';
import { SESSION_WORKFLOW } from '../../../src/contracts/messages.ts';
import { openExternalStorage, removeStored, STORED_FROM_BYTES } from '../../../src/storage/payload-store.ts';
import type { PayloadStoreAddress } from '../../../src/storage/store-address.ts';
import { refuse } from '../../../src/storage/unreadable.ts';
import { type S3Server, startS3 } from '../../helpers/s3.ts';

const LARGE = 'x'.repeat(STORED_FROM_BYTES);
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const of = (id: string, more: { runId?: string; type?: string } = {}): StorageDriverTargetInfo => ({
  kind: 'workflow',
  namespace: 'default',
  id,
  ...more,
});

for (const kind of ['folder', 's3'] as const) {
  describe(`payload store: ${kind}`, function () {
    this.timeout(200_000);
    let dir: string;
    let s3: S3Server | undefined;
    let address: PayloadStoreAddress;

    before(async () => {
      dir = await mkdtemp(join(tmpdir(), 'copilot-test-'));
      s3 = kind === 's3' ? await startS3() : undefined;
      address = addressOf(s3 ? `s3://${s3.bucket}/some/prefix` : dir, s3?.environment);
    });
    after(async () => {
      await s3?.stop();
      await rm(dir, { recursive: true });
    });

    const runner = (): ExternalStorageRunner => new ExternalStorageRunner(openExternalStorage(address, refuse));
    /** Keys of a session's objects, or all. */
    async function keys(id = ''): Promise<string[]> {
      const entries = await readdir(s3?.dir ?? dir, { recursive: true, withFileTypes: true });
      const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
      return paths.filter((path) => path.includes('/d/sha256/') && path.includes(id) && !/\._S3rver_\w+\.json$|\._S3rver_object\.md5$/.test(path));
    }

    it('keeps what is large, once, and gives it back as it was', async () => {
      const small = payloadOf('small');
      const large = [payloadOf({ text: LARGE }), payloadOf({ text: LARGE })];
      const target = of('ses_once', { runId: 'r1', type: SESSION_WORKFLOW });
      const sent = await runner().store([small, ...large], { target });
      assert.deepEqual(sent[0], small);
      assert.ok((sent[1]?.data?.length ?? 0) < 1_000);
      assert.equal((await keys('ses_once')).length, 1);
      const back = await runner().retrieve(sent);
      assert.deepEqual(
        back.map((payload) => defaultPayloadConverter.fromPayload(payload)),
        ['small', { text: LARGE }, { text: LARGE }],
      );
    });

    it('what a session stored goes with it, and nothing else does', async () => {
      const [payload] = [payloadOf(LARGE)];
      const others = [of('ses_ab'), of('ses_a', { runId: 'r1', type: 'other' })];
      const own = [of('ses_a'), of('ses_a', { runId: 'r1', type: SESSION_WORKFLOW }), of('ses_a', { type: SESSION_WORKFLOW })];
      for (const target of [...others, ...own]) await runner().store([payload], { target });
      const kept = await runner().store([payload], { target: of('ses_ab') });
      assert.equal((await keys('/ses_a/')).length, 4);
      await removeStored(address, { namespace: 'default', sessionId: 'ses_a' });
      await removeStored(address, { namespace: 'default', sessionId: 'ses_a' });
      assert.equal((await keys('/ses_a/')).length, 1);
      assert.equal((await runner().retrieve(kept)).length, 1);
    });

    it('an id never leads out of its folder', async () => {
      for (const id of ['..', '.', '../../up', 'a/b', '', "it's (100%) ~ä*!"]) {
        const [sent] = await runner().store([payloadOf(LARGE)], { target: of(id) });
        assert.ok(sent);
        assert.equal(defaultPayloadConverter.fromPayload((await runner().retrieve([sent]))[0] ?? {}), LARGE);
      }
      assert.deepEqual((await readdir(dirname(dir))).filter((name) => name === 'up' || name === 'v0'), []);
    });

    it('a reference that somebody made up is refused, wherever it leads', async () => {
      const digest = '0'.repeat(64);
      const bucket = s3 ? { bucket: s3.bucket } : {};
      const prefix = s3 ? 'some/prefix/' : '';
      const claim = { ...bucket, key: `${prefix}v0/d/sha256/${digest}`, hashAlgorithm: 'sha256', hashValue: digest };
      const driver = driverOf(address);
      const cases = [
        [claim, /is not there any more/],
        [{ ...claim, key: '/etc/passwd' }, /is not a key of this store/],
        [{ ...claim, key: `${prefix}v0/../../../d/sha256/${digest}` }, /is not a key/],
        [{ ...claim, key: `${prefix}v0/%00/\u0000/d/sha256/${digest}` }, /is not a key/],
        [{ ...claim, key: `elsewhere/v0/d/sha256/${digest}` }, /is not a key/],
        [{ ...claim, bucket: 'another' }, /is not a key/],
        [{ ...claim, hashAlgorithm: 'md5' }, /is not a key/],
        [{ ...claim, hashValue: '..' }, /is not a key/],
        [{}, /is not a key/],
      ] as const;
      for (const [claimData, message] of cases) {
        await assert.rejects(driver.retrieve({}, [{ claimData: { ...claimData } }]), message);
      }
    });

    it('content that was changed is noticed', async () => {
      const [sent] = await runner().store([payloadOf(LARGE)], { target: of('ses_changed') });
      const [file] = (await keys('ses_changed'));
      assert.ok(sent && file);
      await writeFile(file, (await readFile(file)).subarray(1));
      await assert.rejects(runner().retrieve([sent]), /was changed/);
    });

    it('a store that is away is an error that a retry mends', async () => {
      const [sent] = await runner().store([payloadOf(LARGE)], { target: of('ses_away') });
      assert.ok(sent);
      const away = `${dir}-away`;
      await (s3 ? s3.kill() : rename(dir, away));
      const other = runner().store([payloadOf(`${LARGE}y`)], { target: of('ses_away') });
      const work = [other, runner().retrieve([sent]), removeStored(address, { namespace: 'n', sessionId: 's' })];
      for (const outcome of await Promise.allSettled(work)) {
        const error: unknown = outcome.status === 'rejected' ? outcome.reason : undefined;
        assert.ok(error instanceof CopilotError && error.retryable, String(error));
        assert.match(error.message, /The payload store \S+ cannot be used \(.*(ENOENT|ECONNREFUSED)/);
      }
      await (s3 ? s3.restart() : rename(away, dir));
      assert.equal((await runner().retrieve([sent])).length, 1);
    });

    if (kind === 's3') {
      it('a bucket that is not there is named', async () => {
        const missing = addressOf('s3://not-there', s3?.environment);
        const store = new ExternalStorageRunner(openExternalStorage(missing, refuse));
        await assert.rejects(store.store([payloadOf(LARGE)]), /s3:\/\/not-there .*PUT: status 404, NoSuchBucket/);
      });

      it('more objects than one answer lists are removed', async () => {
        const target = of('ses_many', { type: SESSION_WORKFLOW });
        for (let start = 0; start < 1_010; start += 101) {
          const payloads = Array.from({ length: 101 }, (_, index) => payloadOf(start + index));
          await driverOf(address).store({ target }, payloads);
        }
        assert.equal((await keys('ses_many')).length, 1_010);
        await removeStored(address, { namespace: 'default', sessionId: 'ses_many' });
        assert.deepEqual(await keys('ses_many'), []);
      });
    } else {
      it('files are for their owner alone, and no part of one is left where the disk refuses', async () => {
        const target = of('ses_mode');
        await runner().store([payloadOf(LARGE)], { target });
        const [file = ''] = await keys('ses_mode');
        assert.equal((await stat(file)).mode & 0o777, 0o600);
        assert.equal((await stat(dirname(file))).mode & 0o777, 0o700);
        assert.deepEqual(await readdir(dirname(file)), [file.split('/').at(-1)]);
      });

      it('a disk that is full is an error that a retry mends', async function () {
        const full = '/dev/full';
        if (!(await stat(full).catch(() => undefined))) this.skip();
        // A file stands where a folder is to be made: the nearest to a refusing disk that needs no rights.
        const blocked = await mkdtemp(join(dir, 'blocked-'));
        await writeFile(join(blocked, 'v0'), '');
        await chmod(blocked, 0o500);
        const store = new ExternalStorageRunner(openExternalStorage({ kind: 'folder', path: blocked }, refuse));
        await assert.rejects(store.store([payloadOf(LARGE)]), (error) => error instanceof CopilotError && error.retryable);
        await chmod(blocked, 0o700);
        await rm(join(blocked, 'v0'));
        await mkdir(join(blocked, 'v0'));
        assert.equal((await store.store([payloadOf(LARGE)])).length, 1);
      });
    }
  });
}

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
      assert.match(error.message, /COPILOT_PAYLOAD_STORE= is not valid: what is to be read lies in a folder/);
      return true;
    });
    await rm(dir, { recursive: true });
  });
});

function addressOf(value: string, environment: Readonly<Record<string, string>> = {}): PayloadStoreAddress {
  const { payloadStore } = loadConfig({ ...environment, COPILOT_PAYLOAD_STORE: value });
  assert.ok(payloadStore);
  return payloadStore;
}

function driverOf(address: PayloadStoreAddress): StorageDriver {
  const name = address.kind === 's3' ? 'aws.s3driver' : 'copilot.folder';
  const driver = openExternalStorage(address, refuse).getDriver(name);
  assert.ok(driver);
  return driver;
}
