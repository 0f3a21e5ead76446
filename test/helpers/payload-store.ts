/** What a payload store promises, wherever it is: run for the folder and for S3. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  defaultPayloadConverter,
  type Payload,
  type StorageDriver,
  type StorageDriverTargetInfo,
} from '@temporalio/common';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { loadConfig } from '../../src/config.ts';
import { CopilotError } from '../../src/contracts/errors.ts';
import { SESSION_WORKFLOW } from '../../src/contracts/messages.ts';
import { openExternalStorage, removeStored, STORED_FROM_BYTES } from '../../src/storage/payload-store.ts';
import type { PayloadStoreAddress } from '../../src/storage/stores/address.ts';
import { refuse } from '../../src/storage/unreadable.ts';

/** A value that is large enough to be stored. */
export const LARGE = 'x'.repeat(STORED_FROM_BYTES);

export const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);

/** Whose a payload is, as the SDK tells it. */
export const of = (id: string, more: { runId?: string; type?: string } = {}): StorageDriverTargetInfo => ({
  kind: 'workflow',
  namespace: 'default',
  id,
  ...more,
});

/** A store that a test has made. */
export interface StoreUnderTest {
  readonly address: PayloadStoreAddress;
  /** Folder in which its objects lie as files, and what stands before the key. */
  readonly dir: string;
  readonly prefix: string;
  /** Makes it unreachable, and reachable again. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
}

export function addressOf(value: string, environment: Readonly<Record<string, string>> = {}): PayloadStoreAddress {
  const { payloadStore } = loadConfig({ ...environment, COPILOT_PAYLOAD_STORE: value });
  assert.ok(payloadStore && 'kind' in payloadStore);
  return payloadStore;
}

export function driverOf(address: PayloadStoreAddress): StorageDriver {
  const driver = openExternalStorage(address, refuse).getDriver(
    address.kind === 's3' ? 'aws.s3driver' : 'copilot.folder',
  );
  assert.ok(driver);
  return driver;
}

/** Files of stored payloads, of one session or of all. */
export async function storedFiles(dir: string, id = ''): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  // Beside each object s3rver keeps what it knows of it.
  const isObject = (path: string): boolean =>
    path.includes('/d/sha256/') && !['._S3rver_object.md5', '._S3rver_metadata.json'].some((end) => path.endsWith(end));
  return paths.filter((path) => isObject(path) && path.includes(id));
}

/** Declares the tests. @param store is asked when they run */
export function keepsItsPromises(store: () => StoreUnderTest): void {
  const runner = (): ExternalStorageRunner => new ExternalStorageRunner(openExternalStorage(store().address, refuse));
  const keys = (id?: string): Promise<string[]> => storedFiles(store().dir, id);

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
    const own = [
      of('ses_a'),
      of('ses_a', { runId: 'r1', type: SESSION_WORKFLOW }),
      of('ses_a', { type: SESSION_WORKFLOW }),
    ];
    for (const target of [...others, ...own]) await runner().store([payload], { target });
    const kept = await runner().store([payload], { target: of('ses_ab') });
    assert.equal((await keys('/ses_a/')).length, 4);
    await removeStored(store().address, { namespace: 'default', workflowId: 'ses_a' });
    await removeStored(store().address, { namespace: 'default', workflowId: 'ses_a' });
    assert.equal((await keys('/ses_a/')).length, 1);
    assert.equal((await runner().retrieve(kept)).length, 1);
  });

  it('an id never leads out of its folder', async () => {
    for (const id of ['..', '.', '../../up', 'a/b', '', "it's (100%) ~ä*!"]) {
      const [sent] = await runner().store([payloadOf(LARGE)], { target: of(id) });
      assert.ok(sent);
      assert.equal(defaultPayloadConverter.fromPayload((await runner().retrieve([sent]))[0] ?? {}), LARGE);
    }
    assert.deepEqual(
      (await readdir(dirname(store().dir))).filter((name) => name === 'up' || name === 'v0'),
      [],
    );
  });

  it('a reference that somebody made up is refused, wherever it leads', async () => {
    const digest = '0'.repeat(64);
    const { address, prefix } = store();
    const bucket = address.kind === 's3' ? { bucket: address.bucket } : {};
    const claim = { ...bucket, key: `${prefix}v0/d/sha256/${digest}`, hashAlgorithm: 'sha256', hashValue: digest };
    const driver = driverOf(store().address);
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
    const [file] = await keys('ses_changed');
    assert.ok(sent && file);
    await writeFile(file, (await readFile(file)).subarray(1));
    await assert.rejects(runner().retrieve([sent]), /was changed/);
  });

  it('a store that is away is an error that a retry mends', async () => {
    const [sent] = await runner().store([payloadOf(LARGE)], { target: of('ses_away') });
    assert.ok(sent);
    await store().leave();
    const other = runner().store([payloadOf(`${LARGE}y`)], { target: of('ses_away') });
    const work = [other, runner().retrieve([sent]), removeStored(store().address, { namespace: 'n', workflowId: 's' })];
    for (const outcome of await Promise.allSettled(work)) {
      const error: unknown = outcome.status === 'rejected' ? outcome.reason : undefined;
      assert.ok(error instanceof CopilotError && error.retryable, String(error));
      assert.match(error.message, /The payload store \S+ cannot be used \(.*(ENOENT|ECONNREFUSED)/);
    }
    await store().comeBack();
    assert.equal((await runner().retrieve([sent])).length, 1);
  });
}
