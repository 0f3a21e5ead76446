/**
 * Everything that this program uses of the Temporal SDK beyond its public API, but for the sandbox's part. A test fails
 * if an upgrade of the SDK changes it.
 *
 * - Decoding of failures and of single payloads: needed until the client gives decoded failures of pending activities
 *   and of workflow tasks, and decoded inputs of a run (`describe()` and `fetchHistory()` give raw ones).
 * - Details of gRPC errors: needed until the client's errors carry them.
 * - `ExternalStorageRunner`: needed until the SDK offers it to codec servers, as it does for its own
 *   (`StorageDriver` is public, the reading of references is not), and until a reference that cannot be decoded fails
 *   where it is used instead of failing the whole workflow task.
 */
import type { ExternalStorage, Payload } from '@temporalio/common';
import {
  decodeReferencePayload,
  ExternalStorageRunner,
  isReferencePayload,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { toStandIn } from '../contracts/payload-converter.ts';

export { getGrpcStatusDetails, trimGrpcTypeUrl } from '@temporalio/client/lib/helpers.js';
export {
  decodeFromPayloadsAtIndex as decodePayloadAt,
  decodeOptionalFailureToOptionalError as decodeFailure,
  extstoreInboundOptions as storedPayloads,
  visit as visitPayloads,
  walkGetWorkflowExecutionHistoryResponse as walkHistory,
} from '@temporalio/common/lib/internal-non-workflow/index.js';

/** Resolves references to stored payloads; others stay as they are. */
export async function retrievePayloads(storage: ExternalStorage, payloads: Payload[]): Promise<Payload[]> {
  return await new ExternalStorageRunner(storage).retrieve(payloads);
}

const BROKEN = toStandIn({
  type: 'InvalidInput',
  details: { what: 'A reference to a stored payload', problem: 'it cannot be decoded' },
  isLocal: false,
});

const tolerant = new WeakSet<ExternalStorage>();
let isPatched = false;

/**
 * Makes references that cannot be decoded fail where they are used, for this storage alone. Anyone who may signal a
 * session may send one, and the SDK would fail each of its tasks for it.
 */
export function tolerateBrokenReferences(storage: ExternalStorage): void {
  tolerant.add(storage);
  if (isPatched) return;
  isPatched = true;
  const retrieve = Reflect.get(ExternalStorageRunner.prototype, 'retrieve');
  ExternalStorageRunner.prototype.retrieve = async function (payloads, options) {
    // Private in the SDK's types.
    const isTolerant = tolerant.has(Reflect.get(this, 'externalStorage') as ExternalStorage);
    return await retrieve.call(this, isTolerant ? payloads.map(withoutBroken) : payloads, options);
  };
}

function withoutBroken(payload: Payload): Payload {
  if (!isReferencePayload(payload)) return payload;
  try {
    decodeReferencePayload(payload);
    return payload;
  } catch {
    return BROKEN;
  }
}
