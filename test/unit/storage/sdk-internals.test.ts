/** What this program uses of the SDK beyond its public API is there, and each workaround is still needed. */
import assert from 'node:assert/strict';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { payloadConverter, UnreadablePayload } from '../../../src/contracts/payload-converter.ts';
import { createDataConverter, createWorkerDataConverter } from '../../../src/storage/data-converter.ts';
import {
  decodeFailure,
  decodePayloadAt,
  retrievePayloads,
  storedPayloads,
  visitPayloads,
  walkHistory,
} from '../../../src/storage/sdk-internals.ts';

const CONFIG = { encryptionKeys: [] };

function referenceWith(data: string): Payload {
  const metadata = { encoding: 'json/protobuf', messageType: 'temporal.api.sdk.v1.ExternalStorageReference' };
  return {
    metadata: Object.fromEntries(Object.entries(metadata).map(([name, text]) => [name, Buffer.from(text)])),
    data: Buffer.from(data),
  };
}

const BROKEN = ['', '{', '7', '{}', '{"driverName": ""}', '{"driverName": "x", "claimData": 7}'].map(referenceWith);
const UNKNOWN = referenceWith('{"driverName": "nobody has it", "claimData": {}}');

describe('the parts of the SDK that are not public', () => {
  it('decode single payloads and failures', async () => {
    const { payloadCodecs = [] } = createDataConverter(CONFIG);
    const { defaultFailureConverter } = await import('@temporalio/common');
    const converter = { payloadConverter, failureConverter: defaultFailureConverter, payloadCodecs };
    assert.equal(
      await decodePayloadAt(
        converter,
        1,
        ['a', 'b'].map((value) => payloadConverter.toPayload(value)),
      ),
      'b',
    );
    const error = await decodeFailure(converter, { message: 'why', applicationFailureInfo: { type: 'Internal' } });
    assert.equal(error?.message, 'why');
  });

  it('resolve references in a page of a history', async () => {
    const { externalStorage } = createWorkerDataConverter(CONFIG);
    const started = { input: { payloads: [UNKNOWN] } };
    const page = { history: { events: [{ workflowExecutionStartedEventAttributes: started }] } };
    await visitPayloads(page, walkHistory, storedPayloads(externalStorage));
    assert.throws(() => payloadConverter.fromPayload(started.input.payloads[0] ?? {}), UnreadablePayload);
  });

  it('give a worker broken references as payloads that fail where they are used, and nobody else', async () => {
    const { externalStorage } = createWorkerDataConverter(CONFIG);
    assert.ok(externalStorage);
    const plain = defaultPayloadConverter.toPayload('plain');
    const [first, ...others] = await retrievePayloads(externalStorage, [plain, UNKNOWN, ...BROKEN]);
    assert.equal(first, plain);
    assert.equal(others.length, BROKEN.length + 1);
    for (const payload of others) {
      assert.throws(
        () => payloadConverter.fromPayload(payload),
        (error) => error instanceof UnreadablePayload && !error.isLocal,
      );
    }
    // If this passes without an error, the SDK has mended it, and the patch can go.
    for (const payload of BROKEN) {
      await assert.rejects(retrievePayloads(createDataConverter(CONFIG).externalStorage, [payload]));
    }
  });
});
