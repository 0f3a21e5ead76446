/** How this program's data travel to the server and back: worker, clients, codec server and replay all use this. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { EncryptionCodec } from './encryption.ts';
import type { EncryptionKey } from './keys.ts';
import { openExternalStorage } from './payload-store.ts';
import type { PayloadStoreAddress } from './stores/address.ts';
import { refuse, type Unreadable } from './unreadable.ts';

/** The part of the configuration that this needs. */
export interface StorageConfig {
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly payloadStore?: PayloadStoreAddress;
}

/** What a failure's message becomes with keys; `.ts` in a checkout, `.js` where the package is built. */
export const encryptedFailuresPath = fileURLToPath(
  new URL(`failure-converter${extname(import.meta.url)}`, import.meta.url),
);

/**
 * Plain JSON without keys and store. With keys everything in payloads is encrypted, then stored where it is large.
 * @param unreadable what becomes of payloads whose key or store is missing here; default: `InvalidConfig` is thrown
 */
export function createDataConverter(
  { encryptionKeys, payloadStore }: StorageConfig,
  unreadable: Unreadable = refuse,
): DataConverter {
  return {
    payloadCodecs: [new EncryptionCodec(encryptionKeys, unreadable)],
    externalStorage: openExternalStorage(payloadStore, unreadable),
    ...(encryptionKeys.length === 0 ? {} : { failureConverterPath: encryptedFailuresPath }),
  };
}
