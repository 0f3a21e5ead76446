/** Text made shorter, always between two characters as people see them: a half of one is read and shown as another. */

/** A character of many marks may be longer than any limit. Then the cut is only between code points. */
const MAX_CHARACTER_LENGTH = 64;

/** What belongs to the character before it: accents, variation selectors, joiners, skin tones, the letters of flags. */
const ATTACHED = /^[\p{M}\p{Emoji_Modifier}\u200d\u{e0020}-\u{e007f}]/u;
const FLAG_LETTER = /^\p{Regional_Indicator}/u;
const FLAG_LETTERS = /\p{Regional_Indicator}+$/u;

/** The longest beginning of at most `max` UTF-16 units. */
export function beginningOf(text: string, max: number): string {
  if (text.length <= max) return text;
  const end = Math.max(0, max);
  for (let at = end; at > Math.max(0, end - MAX_CHARACTER_LENGTH); at--) {
    if (isBetweenCharacters(text, at)) return text.slice(0, at);
  }
  return text.slice(0, isInPair(text, end) ? end - 1 : end);
}

/** The longest end of at most `max` UTF-16 units. */
export function endingOf(text: string, max: number): string {
  if (text.length <= max) return text;
  const start = text.length - Math.max(0, max);
  for (let at = start; at < Math.min(text.length, start + MAX_CHARACTER_LENGTH); at++) {
    if (isBetweenCharacters(text, at)) return text.slice(at);
  }
  return text.slice(isInPair(text, start) ? start + 1 : start);
}

/** The text without half of a code point at its end. */
export function wholeCharacters(text: string): string {
  return /[\ud800-\udbff]$/.test(text) ? text.slice(0, -1) : text;
}

/** The text itself if it has at most `max` UTF-16 units, else its beginning and a mark. */
export function shortenText(text: string, max: number): string {
  return text.length <= max ? text : `${beginningOf(text, max - 1)}…`;
}

function isBetweenCharacters(text: string, at: number): boolean {
  if (isInPair(text, at)) return false;
  const before = text.slice(Math.max(0, at - MAX_CHARACTER_LENGTH), at);
  const behind = text.slice(at, at + 2);
  if (ATTACHED.test(behind) || before.endsWith('\u200d')) return false;
  if (before.endsWith('\r') && behind.startsWith('\n')) return false;
  if (!FLAG_LETTER.test(behind)) return true;
  // Two letters make a flag; each has two units.
  return ((FLAG_LETTERS.exec(before)?.[0].length ?? 0) / 2) % 2 === 0;
}

/** Whether the position is in the middle of a code point. */
function isInPair(text: string, at: number): boolean {
  return at > 0 && /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1));
}
