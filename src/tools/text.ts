/** Telling text from everything else. */

/** The text of a UTF-8 file without its byte order mark, or undefined where it is something else. */
export function decodeText(content: Uint8Array): string | undefined {
  if (content.includes(0)) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    return undefined;
  }
}
