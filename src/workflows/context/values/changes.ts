/** The change log: what happened to which keys, and no values, so that it stays small. */
import { type Change, MAX_CHANGE_KEYS, MAX_CHANGES, MAX_CHANGES_BYTES } from '../../../contracts/context.ts';
import { bytesOf } from '../tree.ts';

/** Appends to the log, and lets the oldest entries go when there are too many or they are too large together. */
export function appendChange(
  log: Change[],
  { op, version, timestamp, keys, ...more }: Omit<Change, 'keys' | 'count'> & { readonly keys: readonly string[] },
): void {
  log.push({ op, version, timestamp, keys: keys.slice(0, MAX_CHANGE_KEYS), count: keys.length, ...more });
  while (log.length > MAX_CHANGES || log.reduce((sum, entry) => sum + bytesOf(entry), 0) > MAX_CHANGES_BYTES)
    log.shift();
}
