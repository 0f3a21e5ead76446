/** The keys of payloads, as operators write them. */
import { createSecretKey, type KeyObject } from 'node:crypto';

/** A `KeyObject` shows nothing of the key when it is printed or put into JSON. */
export interface EncryptionKey {
  /** Stands beside each payload in plain text. */
  readonly id: string;
  /** 256 bits, for AES. */
  readonly key: KeyObject;
}

const KEY_BYTES = 32;
const KEY_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** 32 bytes in base64 or base64url, padded or not. */
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

/**
 * Reads `id:base64` entries, separated by commas or line ends. Lines that begin with `#` are comments.
 * @returns the keys in their order, or what is wrong, without a part of any key
 */
export function parseKeys(text: string): readonly EncryptionKey[] | string {
  const entries = text
    .split('\n')
    .filter((line) => !line.trim().startsWith('#'))
    .flatMap((line) => line.split(','))
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  if (entries.length === 0) return 'it holds no key; write id:base64, such as 2026-01:… from `openssl rand -base64 32`';
  const keys: EncryptionKey[] = [];
  for (const [index, entry] of entries.entries()) {
    const key = parseKey(entry);
    if (typeof key === 'string') return `entry ${index + 1} ${key}`;
    if (keys.some(({ id }) => id === key.id)) return `the key id "${key.id}" occurs twice`;
    keys.push(key);
  }
  return keys;
}

function parseKey(entry: string): EncryptionKey | string {
  const colon = entry.indexOf(':');
  // Without a colon the whole entry may be a key, so the message shows nothing of it.
  if (colon < 0) return 'has no id; write id:base64';
  const id = entry.slice(0, colon);
  if (!KEY_ID.test(id)) return 'has an id that is not of 1 to 64 letters, digits, dots, dashes and underscores';
  const text = entry.slice(colon + 1).trim();
  const bytes = BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
  if (bytes?.length !== KEY_BYTES) {
    return `("${id}") is not ${KEY_BYTES} bytes in base64; \`openssl rand -base64 ${KEY_BYTES}\` makes a key`;
  }
  return { id, key: createSecretKey(bytes) };
}
