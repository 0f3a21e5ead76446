/** A place for payloads or for the archive: a folder, a bucket, or what a service gives. */
import { CopilotError } from '../../contracts/errors.ts';

/**
 * Files by key, whose parts are separated by `/`. A missing key is not an error. A store of your own throws any error when
 * it does not work now; then the call is tried again.
 */
export interface ObjectStore {
  /** For people: the folder, or `s3://bucket`. */
  readonly place: string;
  has(key: string, signal?: AbortSignal): Promise<boolean>;
  /** Whole or not at all, and durable when it returns. */
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Undefined if there is no such key. */
  get(key: string, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  remove(key: string, signal?: AbortSignal): Promise<void>;
  /** Removes everything whose key begins with this, which ends with a slash. */
  removeAll(prefix: string, signal?: AbortSignal): Promise<void>;
}

/** The store's disk is full, say, or nothing answers there. On a worker, Temporal retries by itself. */
export function storeUnavailable(place: string, problem: string, cause?: unknown): CopilotError {
  return new CopilotError('StoreUnavailable', { place, problem }, { cause });
}
