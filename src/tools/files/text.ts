/** Telling text from everything else, and showing names so that they cannot be taken for anything else. */

/** What ends a line, or steers a terminal. */
const STEERING = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** The text of a UTF-8 file without its byte order mark, or undefined where it is something else. */
export function decodeText(content: Uint8Array): string | undefined {
  if (content.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** As a string of JSON, with no character that ends a line or steers a terminal. */
export function quoted(value: string): string {
  return JSON.stringify(value).replace(
    STEERING,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A path in a list of lines: as it is, or quoted where it could be taken for several lines or for a quoted one. */
export function listed(path: string): string {
  return path.search(STEERING) >= 0 || path.startsWith('"') ? quoted(path) : path;
}
