/** Recognises text files, and shows names so that they cannot be mistaken for something else. */

/** Characters that end a line or control a terminal. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

/** The text of a UTF-8 file without its byte order mark, or undefined if it is not UTF-8 text. */
export function decodeText(content: Uint8Array): string | undefined {
  if (content.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** The value as a JSON string without characters that end a line or control a terminal. */
export function quoted(value: string): string {
  return JSON.stringify(value).replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** A path for a list of lines: quoted if it could be mistaken for several lines or for a quoted path. */
export function listed(path: string): string {
  return path.search(CONTROL) >= 0 || path.startsWith('"') ? quoted(path) : path;
}
