/** The codec itself: what it writes, what it opens, and what it says of what it cannot open. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { ApplicationFailure, defaultPayloadConverter, type Payload, TemporalFailure } from '@temporalio/common';
import fc from 'fast-check';
import { CopilotError, fromFailure } from '../../../src/contracts/errors.ts';
import { payloadConverter, UnreadablePayload } from '../../../src/contracts/payload-converter.ts';
import { EncryptionCodec, isEncrypted } from '../../../src/storage/encryption.ts';
import { failureConverter } from '../../../src/storage/failure-converter.ts';
import { type EncryptionKey, parseKeys } from '../../../src/storage/keys.ts';
import { failWhereUsed, omit } from '../../../src/storage/unreadable.ts';

function keys(...ids: string[]): readonly EncryptionKey[] {
  const parsed = parseKeys(ids.map((id) => `${id}:${randomBytes(32).toString('base64')}`).join());
  assert.ok(typeof parsed !== 'string');
  return parsed;
}

function payloadOf(value: unknown): Payload {
  return defaultPayloadConverter.toPayload(value);
}

const valueOf = (payload: Payload | undefined): unknown => payload && defaultPayloadConverter.fromPayload(payload);
const text = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

describe('encryption of payloads', () => {
  const [newKey, oldKey] = keys('new', 'old');
  assert.ok(newKey && oldKey);
  const codec = new EncryptionCodec([newKey, oldKey]);

  it('what was encrypted is what comes back, whatever it is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        const [sealed] = await codec.encode([payloadOf(value)]);
        const [opened] = await codec.decode(sealed ? [sealed] : []);
        assert.equal(text(opened?.metadata?.['encoding']), 'json/plain');
        assert.deepEqual(valueOf(opened), valueOf(payloadOf(value)));
      }),
    );
  });

  it('the first key encrypts, its id stands beside the data, and the same text never looks the same', async () => {
    const secret = 'a secret text';
    const [one, two] = await codec.encode([payloadOf(secret), payloadOf(secret)]);
    assert.ok(one && two && isEncrypted(one));
    assert.equal(text(one.metadata?.['encryption-key-id']), 'new');
    assert.equal(text(one.metadata?.['encoding']), 'binary/encrypted');
    assert.notDeepEqual(one.data, two.data);
    assert.ok(!text(one.data).includes('secret') && !text(one.data).includes('json'));
  });

  it('all keys decrypt, and plain payloads stay as they are', async () => {
    const before = await new EncryptionCodec([oldKey]).encode([payloadOf('from before')]);
    const plain = payloadOf('from long before');
    const [first, second] = await codec.decode([...before, plain]);
    assert.deepEqual([valueOf(first), valueOf(second)], ['from before', 'from long before']);
    const without = new EncryptionCodec([]);
    assert.deepEqual(await without.encode([plain]), [plain]);
    assert.deepEqual(await without.decode([plain]), [plain]);
  });

  it('a missing or wrong key and changed data are told apart from nothing else', async () => {
    const [sealed] = await codec.encode([payloadOf('a secret text')]);
    assert.ok(sealed?.data);
    const [otherNew] = keys('new');
    assert.ok(otherNew);
    const flipped = Uint8Array.from(sealed.data);
    flipped[20] = (flipped[20] ?? 0) ^ 1;
    const cases = [
      [[], sealed, /key "new" is needed to read this, and none is set/],
      [[oldKey], sealed, /key "new" is needed to read this, and only "old" is set/],
      [[otherNew], sealed, /encrypted with another key of that id, or was changed since/],
      [[newKey], { ...sealed, data: flipped }, /was changed since/],
      [[newKey], { ...sealed, data: sealed.data.subarray(0, 9) }, /was changed since/],
      [[newKey], { metadata: sealed.metadata ?? {} }, /was changed since/],
      [[newKey], { metadata: { encoding: Buffer.from('binary/encrypted') } }, /key "" is needed/],
    ] as const;
    for (const [having, payload, message] of cases) {
      await assert.rejects(new EncryptionCodec(having).decode([payload]), (error) => {
        assert.ok(error instanceof CopilotError);
        assert.equal(error.type, 'InvalidConfig');
        assert.match(error.message, message);
        return true;
      });
    }
  });

  it('where nobody waits for an answer, what cannot be read fails where it is used, and says why', async () => {
    const lacking = new EncryptionCodec([oldKey], failWhereUsed);
    const decoded = await lacking.decode([...(await codec.encode([payloadOf('a')])), payloadOf('b')]);
    assert.equal(valueOf(decoded[1]), 'b');
    const read = (): unknown => payloadConverter.fromPayload(decoded[0] ?? {});
    assert.throws(read, (error) => {
      // No `TemporalFailure`, which would end the session; its cause is what a client is told.
      assert.ok(error instanceof UnreadablePayload && error.isLocal && !(error instanceof TemporalFailure));
      const { type, message } = fromFailure(error) ?? assert.fail();
      assert.equal(type, 'InvalidConfig');
      assert.match(message, /the worker cannot read what was sent: key "new" is needed to read this, and only "old"/);
      return true;
    });
    const forgiving = new EncryptionCodec([oldKey], omit);
    assert.equal(valueOf((await forgiving.decode(await codec.encode([payloadOf('a')])))[0]), undefined);
  });

  it('a failure keeps its message and stack in a payload', () => {
    const failure = failureConverter.errorToFailure(
      ApplicationFailure.create({ message: 'a secret text', type: 'ToolFailed' }),
      defaultPayloadConverter,
    );
    assert.equal(failure.message, 'Encoded failure');
    assert.equal(failure.stackTrace, '');
    assert.equal(failureConverter.failureToError(failure, defaultPayloadConverter).message, 'a secret text');
  });
});
