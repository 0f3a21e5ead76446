/** Comparison of secrets that callers show. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Takes equally long for any two texts. */
export function isSameSecret(given: string | undefined, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given ?? ''), digest(wanted));
}
