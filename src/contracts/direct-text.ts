/**
 * The text of a running call on its direct way, from the worker to followers that reach the worker. Both show that they
 * know the token in the call's heartbeat, and neither sends it: so whoever else listens at the worker's address learns
 * nothing, and cannot make up text.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { z } from 'zod';

/** Where the text of one attempt of a call is. It is in the heartbeats of that attempt. */
export const DirectAddress = z.object({
  url: z.url({ protocol: /^https?$/ }).max(500),
  token: z.string().min(32).max(100),
});
export type DirectAddress = z.infer<typeof DirectAddress>;

const Part = z.object({ offset: z.int().min(0), text: z.string() });

/** Data of an event of the type `text`: what was written since the event before. Positions are in UTF-16 units. */
export const WrittenPart = z.object({ text: Part.optional(), reasoning: Part.optional() });
export type WrittenPart = z.infer<typeof WrittenPart>;

/** The type of the last event of a stream that was not cut off. */
export const END_EVENT = 'end';

/** The header with which a worker proves who it is. */
export const PROOF_HEADER = 'copilot-proof';

/** What a side shows of the token. */
export function proofOf(token: string, side: 'follower' | 'worker'): string {
  return bytesToHex(hmac(sha256, utf8ToBytes(token), utf8ToBytes(side)));
}
