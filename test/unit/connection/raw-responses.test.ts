/** Decoding of raw responses. It rests on internals of the SDK, so a test fails if an upgrade changes them. */
import assert from 'node:assert/strict';
import { Metadata, status } from '@grpc/grpc-js';
import { ApplicationFailure, DefaultFailureConverter, defaultPayloadConverter, ValueError } from '@temporalio/common';
import { loadDataConverter } from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import {
  decodeRawFailure,
  decodeFirstPayload,
  loadStoredPayloads,
  statusDetailTypes,
} from '../../../src/connection/raw-responses.ts';
import { createDataConverter } from '../../../src/storage/data-converter.ts';

const CONTEXT = { type: 'workflow', namespace: 'default', workflowId: 'ses_1' } as const;
/** As much of a client as the functions read. */
const client = {
  options: { loadedDataConverter: loadDataConverter(createDataConverter({ encryptionKeys: [] })) },
} as Parameters<typeof decodeFirstPayload>[0]; // the other options are not read

describe('raw responses of the server', () => {
  it('have payloads that are decoded', async () => {
    const payloads = [{ a: 1 }, 'second'].map((value) => defaultPayloadConverter.toPayload(value));
    assert.deepEqual(await decodeFirstPayload(client, payloads, CONTEXT), { a: 1 });
    for (const none of [[], null, undefined]) assert.equal(await decodeFirstPayload(client, none, CONTEXT), undefined);
    const unknown = { metadata: { encoding: Buffer.from('unknown') }, data: Buffer.of() };
    await assert.rejects(decodeFirstPayload(client, [unknown], CONTEXT), ValueError);
  });

  it('have failures that are decoded', async () => {
    const given = ApplicationFailure.create({ type: 'NoWorker', message: 'away', details: [{ a: 1 }] });
    const failure = new DefaultFailureConverter().errorToFailure(given, defaultPayloadConverter);
    const error = await decodeRawFailure(client, failure, CONTEXT);
    assert.ok(error instanceof ApplicationFailure);
    assert.deepEqual([error.type, error.message, error.details], ['NoWorker', 'away', [{ a: 1 }]]);
    assert.equal(await decodeRawFailure(client, null), undefined);
  });

  it('may be pages of a history', async () => {
    await loadStoredPayloads(client, { history: { events: [{ eventType: 1 }] } });
  });

  it('may be errors with typed details', () => {
    const metadata = new Metadata();
    const error = Object.assign(new Error(), { code: status.UNKNOWN, details: '', metadata });
    assert.deepEqual(statusDetailTypes(error), []);
    const details = [{ type_url: 'type.googleapis.com/temporal.api.errordetails.v1.QueryFailedFailure' }];
    metadata.set('grpc-status-details-bin', Buffer.from(proto.google.rpc.Status.encode({ details }).finish()));
    assert.deepEqual(statusDetailTypes(error), ['temporal.api.errordetails.v1.QueryFailedFailure']);
  });
});
