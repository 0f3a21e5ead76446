/** Digests of teams, requests and files. Those of values do not depend on the order of their members. */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** JSON text without spaces, with the keys of every object sorted by UTF-16 units. Undefined members are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

/** sha-256 of the canonical JSON, in hex. */
export function digestOf(value: unknown): string {
  return digestOfBytes(utf8ToBytes(canonicalJson(value)));
}

/** sha-256, in hex. */
export function digestOfBytes(content: Uint8Array): string {
  return bytesToHex(sha256(content));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  // A member named `__proto__` stays a member: `fromEntries` defines it and does not call its setter.
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
