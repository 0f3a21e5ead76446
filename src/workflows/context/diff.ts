/** What differs between two states of a context. */
import { type ContextDiff, type Excerpt, MAX_DIFF_PATHS, MAX_EXCERPT_TEXT } from '../../contracts/context.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, memberOf } from '../../contracts/json.ts';
import { bytesOf, isEqual } from './tree.ts';
import { shortenText } from '../../contracts/text-cut.ts';

type Found = { [Part in 'added' | 'removed' | 'changed']: ContextDiff[Part][number][] } & { more: number };

/** Added, removed and changed paths, in the order of the older value's keys, new keys last. */
export function diffOf(older: JsonObject, newer: JsonObject): Omit<ContextDiff, 'from' | 'to'> {
  const found: Found = { added: [], removed: [], changed: [], more: 0 };
  compare(older, newer, '', found);
  return found;
}

function compare(older: Json | undefined, newer: Json | undefined, path: string, found: Found): void {
  if (isEqual(older, newer)) return;
  if (isJsonArray(older) && isJsonArray(newer)) {
    for (let index = 0; index < Math.max(older.length, newer.length); index++) {
      compare(older[index], newer[index], `${path}/${index}`, found);
    }
  } else if (isJsonObject(older) && isJsonObject(newer)) {
    for (const key of new Set([...Object.keys(older), ...Object.keys(newer)])) {
      compare(memberOf(older, key), memberOf(newer, key), `${path}/${escaped(key)}`, found);
    }
  } else note(older, newer, path, found);
}

function note(older: Json | undefined, newer: Json | undefined, path: string, found: Found): void {
  if (found.added.length + found.removed.length + found.changed.length === MAX_DIFF_PATHS) found.more += 1;
  else if (older === undefined) found.added.push({ path, new: excerpt(newer ?? null) });
  else if (newer === undefined) found.removed.push({ path, old: excerpt(older) });
  else found.changed.push({ path, old: excerpt(older), new: excerpt(newer) });
}

function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function excerpt(value: Json): Excerpt {
  const json = JSON.stringify(value);
  return { json: shortenText(json, MAX_EXCERPT_TEXT), bytes: bytesOf(value) };
}
