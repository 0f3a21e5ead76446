/**
 * Keeps payloads that are too large for the server's history in a folder or a bucket. The SDK puts a reference in the
 * place of each.
 *
 * Keys and claims have the form of Temporal's own S3 drivers, which can so read these objects:
 * https://github.com/temporalio/sdk-typescript/tree/main/contrib/external-storage-s3
 */
import { createHash } from 'node:crypto';
import {
  ExternalStorage,
  type Payload,
  type StorageDriver,
  StorageDriverClaim,
  type StorageDriverRetrieveContext,
  type StorageDriverStoreContext,
  type StorageDriverTargetInfo,
} from '@temporalio/common';
import proto from '@temporalio/proto';
import { CopilotError } from '../contracts/errors.ts';
import { SESSION_WORKFLOW } from '../contracts/messages.ts';
import { openFolderStore } from './stores/folder.ts';
import type { ObjectStore } from './stores/object-store.ts';
import { openS3Store } from './stores/s3.ts';
import type { PayloadStoreAddress } from './stores/address.ts';
import type { Unreadable } from './unreadable.ts';
import { beginningOf } from '../contracts/text-cut.ts';

/** Payloads of this size and above go to the store. The server's own limit is 2 MiB. */
export const STORED_FROM_BYTES = 128 * 1024;

const PayloadMessage = proto.temporal.api.common.v1.Payload;

/** The stores' names in references. */
const DRIVERS = { folder: 'copilot.folder', s3: 'aws.s3driver', own: 'copilot.own' } as const;

/** Where payloads are stored: an address, or a store that a service gives as an object. */
export type StoreAddress = PayloadStoreAddress | ObjectStore;
type Kind = keyof typeof DRIVERS;

const kindOf = (store: StoreAddress): Kind => ('kind' in store ? store.kind : 'own');

/**
 * For the SDK: stores payloads and resolves references. Without an address it stores nothing, and each reference is
 * unreadable.
 */
export function openExternalStorage(address: StoreAddress | undefined, unreadable: Unreadable): ExternalStorage {
  const drivers = (['folder', 's3', 'own'] as const).map((kind) =>
    address !== undefined && kindOf(address) === kind
      ? new PayloadStore(address, unreadable)
      : missingStore(DRIVERS[kind], kind, unreadable),
  );
  const used = drivers.find((driver) => driver instanceof PayloadStore) ?? null;
  return new SessionStorage(
    { drivers, driverSelector: () => used, payloadSizeThreshold: STORED_FROM_BYTES },
    unreadable,
  );
}

/** Anyone may send a reference to an unknown store, and the SDK would fail the task. Here it is unreadable instead. */
class SessionStorage extends ExternalStorage {
  readonly #unreadable: Unreadable;

  constructor(options: ConstructorParameters<typeof ExternalStorage>[0], unreadable: Unreadable) {
    super(options);
    this.#unreadable = unreadable;
  }

  override getDriver(name: string): StorageDriver {
    const problem = `a reference names the store "${beginningOf(name, 100)}", which does not exist`;
    return (
      super.getDriver(name) ??
      unreadableStore(name, new CopilotError('InvalidInput', { what: 'A payload', problem }), this.#unreadable)
    );
  }
}

export interface StoredWorkflow {
  readonly namespace: string;
  readonly workflowId: string;
  /** Default: that of sessions. */
  readonly type?: string;
}

/** Removes the payloads of a workflow. Keys begin with its id, so nothing else refers to them. */
export async function removeStored(
  address: StoreAddress | undefined,
  { namespace, workflowId: id, type: own = SESSION_WORKFLOW }: StoredWorkflow,
  signal?: AbortSignal,
): Promise<void> {
  if (address === undefined) return;
  const store = openStore(address);
  // Clients that send to a session do not tell the SDK its type.
  for (const type of [own, undefined]) {
    const target = { kind: 'workflow', namespace, id, ...(type === undefined ? {} : { type }) } as const;
    await store.removeAll(`${prefixOf(address)}${workflowFolder(target)}/`, signal);
  }
}

function openStore(address: StoreAddress): ObjectStore {
  if (!('kind' in address)) return address;
  return address.kind === 'folder' ? openFolderStore(address.path) : openS3Store(address);
}

function prefixOf(address: StoreAddress): string {
  return 'kind' in address && address.kind === 's3' && address.prefix !== '' ? `${address.prefix}/` : '';
}

/** Reads and writes payloads by the digest of their content. */
class PayloadStore implements StorageDriver {
  readonly name: string;
  readonly type: string;
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #bucket: string | undefined;
  readonly #unreadable: Unreadable;

  constructor(address: StoreAddress, unreadable: Unreadable) {
    this.name = DRIVERS[kindOf(address)];
    this.type = this.name;
    this.#store = openStore(address);
    this.#prefix = prefixOf(address);
    this.#bucket = 'kind' in address && address.kind === 's3' ? address.bucket : undefined;
    this.#unreadable = unreadable;
  }

  /** @throws StoreUnavailable, which a retry can mend */
  async store(context: StorageDriverStoreContext, payloads: Payload[]): Promise<StorageDriverClaim[]> {
    const folder = `${this.#prefix}${folderOf(context.target)}`;
    return await Promise.all(payloads.map((payload) => this.#storeOne(folder, payload, context.abortSignal)));
  }

  /** @throws StoreUnavailable, which a retry can mend. What no retry mends is unreadable. */
  async retrieve(context: StorageDriverRetrieveContext, claims: StorageDriverClaim[]): Promise<Payload[]> {
    return await Promise.all(claims.map(({ claimData }) => this.#retrieveOne(claimData, context.abortSignal)));
  }

  async #storeOne(folder: string, payload: Payload, signal: AbortSignal | undefined): Promise<StorageDriverClaim> {
    const bytes = PayloadMessage.encode(payload).finish();
    const hashValue = sha256(bytes);
    const key = `${folder}/d/sha256/${hashValue}`;
    if (!(await this.#store.has(key, signal))) await this.#store.put(key, bytes, signal);
    const bucket = this.#bucket === undefined ? {} : { bucket: this.#bucket };
    return new StorageDriverClaim({ ...bucket, key, hashAlgorithm: 'sha256', hashValue });
  }

  async #retrieveOne(claim: Readonly<Record<string, string>>, signal: AbortSignal | undefined): Promise<Payload> {
    const { key = '', hashValue = '' } = claim;
    // Anyone may send a reference: it must not lead to other files.
    if (!this.#isOwn(claim)) return this.#unreadable(unusable(key, this.#store.place, 'is not a key of this store'));
    const bytes = await this.#store.get(key, signal);
    if (bytes === undefined) return this.#unreadable(unusable(key, this.#store.place, 'is not there any more'));
    if (sha256(bytes) !== hashValue) return this.#unreadable(unusable(key, this.#store.place, 'was changed'));
    return PayloadMessage.decode(bytes);
  }

  #isOwn({ bucket, key = '', hashAlgorithm, hashValue = '' }: Readonly<Record<string, string>>): boolean {
    const segments = key.split('/');
    return (
      bucket === this.#bucket &&
      hashAlgorithm === 'sha256' &&
      key.startsWith(`${this.#prefix}v0/`) &&
      key.endsWith(`/d/sha256/${hashValue}`) &&
      /^[0-9a-f]{64}$/.test(hashValue) &&
      segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..') &&
      SAFE_KEY.test(key)
    );
  }
}

/** The characters that {@link keySegment} keeps, and the slash. */
const SAFE_KEY = /^[A-Za-z0-9!_.*'()%/-]+$/;

/** Stands in for a known store that this program does not use. */
function missingStore(name: string, kind: Kind, unreadable: Unreadable): StorageDriver {
  const places = { folder: 'a folder', s3: 'S3', own: 'a store that a program brings' };
  const problem = `the payload is in ${places[kind]}, which is not the store that is set here`;
  const error = new CopilotError('InvalidConfig', { name: 'COPILOT_PAYLOAD_STORE', value: '', problem });
  return unreadableStore(name, error, unreadable);
}

function unreadableStore(name: string, problem: CopilotError, unreadable: Unreadable): StorageDriver {
  return {
    name,
    type: name,
    store: () => Promise.reject(problem),
    retrieve: async (_, claims) => claims.map(() => unreadable(problem)),
  };
}

function unusable(key: string, place: string, what: string): CopilotError {
  return new CopilotError('Internal', { problem: `The stored payload ${beginningOf(key, 400)} of ${place} ${what}.` });
}

function folderOf(target: StorageDriverTargetInfo | undefined): string {
  if (target === undefined) return 'v0';
  const { namespace, type, id, runId } = target;
  return target.kind === 'workflow'
    ? `${workflowFolder(target)}/ri/${keySegment(runId)}`
    : `v0/ns/${keySegment(namespace)}/at/${keySegment(type)}/ai/${keySegment(id)}/ri/${keySegment(runId)}`;
}

function workflowFolder({ namespace, type, id }: Omit<StorageDriverTargetInfo, 'kind'>): string {
  return `v0/ns/${keySegment(namespace)}/wt/${keySegment(type)}/wi/${keySegment(id)}`;
}

/** Encodes all but S3's safe characters, so that an id is one segment. Dots alone would name a folder. */
function keySegment(text: string | undefined): string {
  const encoded = encodeURIComponent(text || 'null').replaceAll('~', '%7E');
  return /^\.{1,2}$/.test(encoded) ? encoded.replaceAll('.', '%2E') : encoded;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
