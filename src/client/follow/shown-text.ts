/** Which part of a growing text was shown, without the text itself. */
import type { Excerpt } from '../../contracts/progress.ts';

/** A part of a text, by its place in the whole and a hash of its UTF-16 units. */
export interface Shown {
  /** Above 0 only for a follower that joined later. */
  readonly start: number;
  readonly end: number;
  readonly hash: number;
}

export const nothingShown = (): Shown => ({ start: 0, end: 0, hash: 0 });

export const hasText = ({ start, end }: Shown): boolean => end > start;

/** The shown part with a text behind it. */
export function extendShown({ start, end, hash }: Shown, text: string): Shown {
  return { start, end: end + text.length, hash: extendHash(hash, text) };
}

/** Whether an excerpt can be of the text that was shown. An excerpt that begins behind `start` proves nothing. */
export function continues({ start, end, hash }: Shown, { offset, text }: Excerpt): boolean {
  if (end > offset + text.length) return false;
  return offset > start || extendHash(0, text.slice(start - offset, end - offset)) === hash;
}

/** Both factors are odd, so no unit is lost; 52 bits fit a number. */
const [LOW_FACTOR, HIGH_FACTOR] = [0x0100_0193, 0x85eb_ca6b];
const HIGH_UNIT = 2 ** 32;
const HIGH_MASK = 0xf_ffff;

/** FNV-1a with two factors. It goes on from the hash of the text before, which a hash of a library does not. */
function extendHash(hash: number, text: string): number {
  let low = hash >>> 0;
  let high = Math.floor(hash / HIGH_UNIT);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at) + 1;
    low = Math.imul(low ^ unit, LOW_FACTOR) >>> 0;
    high = (Math.imul(high ^ unit ^ (low >>> 16), HIGH_FACTOR) >>> 7) & HIGH_MASK;
  }
  return high * HIGH_UNIT + low;
}
