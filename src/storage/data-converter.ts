/** How data travels to the server and back. Worker, clients, codec server and replay all use this. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter, ExternalStorage } from '@temporalio/common';
import { EncryptionCodec } from './encryption.ts';
import type { EncryptionKey } from './keys.ts';
import { openExternalStorage, type StoreAddress } from './payload-store.ts';
import { tolerateBrokenReferences } from './sdk-internals.ts';
import { failWhereUsed, refuse, type Unreadable } from './unreadable.ts';

/** The part of the configuration that this needs. */
export interface StorageConfig {
  readonly encryptionKeys: readonly EncryptionKey[];
  readonly payloadStore?: StoreAddress;
}

/** `.ts` in a checkout, `.js` in the built package. */
const pathOf = (module: string): string =>
  fileURLToPath(new URL(`${module}${extname(import.meta.url)}`, import.meta.url));

/** Converter of failures if there are keys. */
export const encryptedFailuresPath = pathOf('failure-converter');
export const payloadConverterPath = pathOf('../contracts/payload-converter');

/**
 * Plain JSON without keys and store. With keys all payloads are encrypted, and large ones are stored after that.
 * @param unreadable what becomes of payloads whose key or store is missing here; default: `InvalidConfig` is thrown
 */
export function createDataConverter(
  { encryptionKeys, payloadStore }: StorageConfig,
  unreadable: Unreadable = refuse,
): DataConverter & { readonly externalStorage: ExternalStorage } {
  return {
    payloadConverterPath,
    payloadCodecs: [new EncryptionCodec(encryptionKeys, unreadable)],
    externalStorage: openExternalStorage(payloadStore, unreadable),
    ...(encryptionKeys.length === 0 ? {} : { failureConverterPath: encryptedFailuresPath }),
  };
}

/** For workers: a payload that cannot be read fails where it is used, and no task fails for a reference that is broken. */
export function createWorkerDataConverter(
  config: StorageConfig,
  unreadable: Unreadable = failWhereUsed,
): DataConverter {
  const converter = createDataConverter(config, unreadable);
  tolerateBrokenReferences(converter.externalStorage);
  return converter;
}
