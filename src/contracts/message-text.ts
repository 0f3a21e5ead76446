/**
 * What messages, their ids and the ids of sessions may be. There is no schema here, so that the workflows of a service can
 * check them and bring no Zod along.
 */
import { MAX_MESSAGE_BYTES } from './limits.ts';
import { hasLoneSurrogate, utf8Bytes } from './utf8.ts';

export const FOUND_ID = /^[A-Za-z0-9][\w.:+@-]{0,999}$/;
export const FOUND_ID_HINT = 'use the id of a session, as `copilot list` shows it';

/** In characters, as are those of reasons. */
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
