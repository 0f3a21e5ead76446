/**
 * Encryption of payloads: AES-256-GCM with a random nonce for each payload. The key's id stands beside it in plain text.
 *
 * The form is that of Temporal's own samples. The whole payload as protobuf is encrypted and becomes the `data` (nonce,
 * ciphertext, tag) of a payload with the encoding `binary/encrypted`.
 * https://github.com/temporalio/samples-typescript/tree/main/encryption
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import proto from '@temporalio/proto';
import { CopilotError } from '../contracts/errors.ts';
import type { EncryptionKey } from './keys.ts';
import { refuse, type Unreadable } from './unreadable.ts';
import { beginningOf } from '../contracts/text-cut.ts';

const PayloadMessage = proto.temporal.api.common.v1.Payload;

const CIPHER = 'aes-256-gcm';
/** GCM's own size. A random nonce of this size is safe for 2^32 payloads with one key. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const ENCODING = 'binary/encrypted';
const KEY_ID_FIELD = 'encryption-key-id';

const toText = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString();

/** Encrypts with the first key and decrypts with any. Without keys, payloads stay as they are. */
export class EncryptionCodec implements PayloadCodec {
  readonly #keys: readonly EncryptionKey[];
  readonly #unreadable: Unreadable;

  /** @param unreadable what becomes of payloads that these keys do not open. Default: throws `InvalidConfig` */
  constructor(keys: readonly EncryptionKey[], unreadable: Unreadable = refuse) {
    this.#keys = keys;
    this.#unreadable = unreadable;
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const [key] = this.#keys;
    return key === undefined ? payloads : payloads.map((payload) => encrypt(payload, key));
  }

  async decode(payloads: Payload[], context?: SerializationContext): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (!isEncrypted(payload)) return payload;
      const opened = this.#decrypt(payload);
      return opened instanceof CopilotError ? this.#unreadable(opened, context) : opened;
    });
  }

  #decrypt(payload: Payload): Payload | CopilotError {
    const id = toText(payload.metadata?.[KEY_ID_FIELD]);
    const key = this.#keys.find((one) => one.id === id);
    if (key === undefined) return wrongKeys(missingKey(id, this.#keys), this.#keys);
    try {
      return decrypt(payload, key);
    } catch {
      // GCM cannot tell a wrong key from changed data.
      const problem = `a payload of key "${id}" was encrypted with another key of that id, or was changed since`;
      return wrongKeys(problem, this.#keys);
    }
  }
}

/** Whether a payload is in the form that {@link EncryptionCodec} writes. */
export function isEncrypted({ metadata }: Payload): boolean {
  return toText(metadata?.['encoding']) === ENCODING;
}

function encrypt(payload: Payload, { id, key }: EncryptionKey): Payload {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  const plain = PayloadMessage.encode(payload).finish();
  const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return { metadata: { encoding: Buffer.from(ENCODING), [KEY_ID_FIELD]: Buffer.from(id) }, data };
}

/** @throws Error if the key does not fit or the data was changed */
function decrypt(payload: Payload, { key }: EncryptionKey): Payload {
  const data = payload.data ?? new Uint8Array();
  const nonce = data.subarray(0, NONCE_BYTES);
  const sealed = data.subarray(NONCE_BYTES, -TAG_BYTES);
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  return PayloadMessage.decode(Buffer.concat([decipher.update(sealed), decipher.final()]));
}

function missingKey(id: string, keys: readonly EncryptionKey[]): string {
  // The id may come from a stranger, and goes into an error message.
  const needed = `key "${beginningOf(id, 64)}" is needed to read this`;
  return keys.length === 0
    ? `${needed}, and none is set`
    : `${needed}, and only ${keys.map((key) => `"${key.id}"`).join(', ')} ${keys.length === 1 ? 'is' : 'are'} set`;
}

function wrongKeys(problem: string, keys: readonly EncryptionKey[]): CopilotError {
  const value = keys.length === 0 ? '' : '(hidden)';
  return new CopilotError('InvalidConfig', { name: 'COPILOT_ENCRYPTION_KEYS', value, problem });
}
