/** References to stored payloads that lead nowhere, whatever the store: anyone may send one. */
import type { Payload } from '@temporalio/common';
import {
  decodeReferencePayload,
  ExternalStorageRunner,
  isReferencePayload,
} from '@temporalio/common/lib/internal-non-workflow/index.js';

/** One word, unlike the reasons of what only this worker cannot read: no other worker can read it either. */
const BROKEN: Payload = { metadata: { encoding: Buffer.from('broken-reference') }, data: new Uint8Array() };

let isDone = false;

/**
 * Makes this process read broken references as payloads that fail where they are used. The SDK fails the whole task for
 * one, again and again, and offers no place before that; so its own function is wrapped, for the whole process.
 */
export function tolerateBrokenReferences(): void {
  if (isDone) return;
  isDone = true;
  const retrieve = Reflect.get(ExternalStorageRunner.prototype, 'retrieve');
  ExternalStorageRunner.prototype.retrieve = async function (payloads, options) {
    // Private in the SDK's types.
    const storage = Reflect.get(this, 'externalStorage') as { getDriver(name: string): unknown };
    const isBroken = (payload: Payload): boolean =>
      isReferencePayload(payload) && !leadsTo(payload, (name) => storage.getDriver(name) !== null);
    return await retrieve.call(
      this,
      payloads.map((payload) => (isBroken(payload) ? BROKEN : payload)),
      options,
    );
  };
}

function leadsTo(reference: Payload, knows: (driver: string) => boolean): boolean {
  try {
    return knows(decodeReferencePayload(reference).driverName);
  } catch {
    return false;
  }
}
