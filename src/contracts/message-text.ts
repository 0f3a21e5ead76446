/** What a message of a person may be. It has no schema, so that workflows of a service can check with it and bring no Zod along. */
import { MAX_MESSAGE_BYTES } from './limits.ts';

/** Ids of sessions that others have started, such as schedules, which add a time to the id. */
export const FOUND_ID = /^[A-Za-z0-9][\w.:+@-]{0,999}$/;
export const FOUND_ID_HINT = 'use the id of a session, as `copilot list` shows it';

/** Characters. */
export const MAX_MESSAGE_ID = 200;
export const MAX_REASON = 1_000;

/** What is wrong with the text of a message: not blank, no NUL, whole characters only, 256 KiB at most. */
export function messageProblem(text: string): string | undefined {
  // Counting is for texts that are not far too long.
  if (text.length > MAX_MESSAGE_BYTES || utf8Bytes(text) > MAX_MESSAGE_BYTES)
    return `it is longer than ${MAX_MESSAGE_BYTES / 1024} KiB; attach a file instead`;
  if (text.trim() === '') return 'it is empty';
  if (text.includes('\u0000')) return 'it contains a NUL character';
  return hasLoneSurrogate(text) ? 'it contains half of a surrogate pair' : undefined;
}

export function hasLoneSurrogate(text: string): boolean {
  return /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}

/** Bytes of a text in UTF-8. The sandbox has no Buffer. */
export function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    // Two units of two bytes each make up for the four bytes of a surrogate pair.
    bytes += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  return bytes;
}
