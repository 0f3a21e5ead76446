/** Where large payloads lie: a folder or a bucket, as the payload store needs it. */
import { CopilotError } from '../../contracts/errors.ts';

/** Files by key. What cannot be done now fails with {@link StoreUnavailable}; a key that is not there is no failure. */
export interface ObjectStore {
  /** For people: the folder, or `s3://bucket`. */
  readonly place: string;
  has(key: string, signal?: AbortSignal): Promise<boolean>;
  /** Whole or not at all, and durable when it returns. */
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Undefined where there is no such key. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** Removes everything whose key begins with this, which ends with a slash. */
  removeAll(prefix: string, signal?: AbortSignal): Promise<void>;
}

/**
 * The store does not do what it is asked for now: its disk is full, or nothing answers there. Trying again can
 * succeed, and on a worker Temporal does so by itself.
 */
export class StoreUnavailable extends CopilotError {
  // The table's own entry is for a server that cannot be started, which no retry mends.
  override readonly retryable = true;

  constructor(place: string, problem: string, cause?: unknown) {
    super(
      'ServerUnavailable',
      {
        problem: `The payload store ${place} cannot be used (${problem}); what needs it is tried again by itself.`,
        waysOut:
          '1. free its disk or make it reachable; 2. check its permissions and credentials; ' +
          '3. correct COPILOT_PAYLOAD_STORE, and keep what is in the old one.',
      },
      { cause },
    );
  }
}
