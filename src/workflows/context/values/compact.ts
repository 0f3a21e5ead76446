/** Shortening of what the program itself keeps in the context, such as a plan: the whole is in the turn it belongs to. */
import { isJsonArray, isJsonObject, type Json } from '../../../contracts/json.ts';
import { utf8Bytes } from '../../../contracts/utf8.ts';
import { shortenText } from '../../../contracts/text-cut.ts';

/** What one of these values may take as JSON. All of them together stay below the size at which the context warns. */
const MAX_COMPACT_BYTES = 16 * 1024;
/** Lengths at which texts are cut, in UTF-16 units: the first with which the value fits. */
const TEXT_LIMITS = [16_000, 8_000, 4_000, 2_000, 1_000, 500, 250, 120, 60];

/** The value itself if it is small; otherwise with its longest texts cut, which then end in `…`. */
export function compacted(value: Json): Json {
  if (fits(value)) return value;
  return cutToFit(value) ?? cutToFit(JSON.stringify(value)) ?? '…';
}

function cutToFit(value: Json): Json | undefined {
  return TEXT_LIMITS.map((limit) => withTexts(value, limit)).find(fits);
}

/** Not by `bytesOf`, which remembers sizes: the holder of the value may change it. */
function fits(value: Json): boolean {
  return utf8Bytes(JSON.stringify(value)) <= MAX_COMPACT_BYTES;
}

function withTexts(value: Json, limit: number): Json {
  if (typeof value === 'string') return shortenText(value, limit);
  if (isJsonArray(value)) return value.map((item) => withTexts(item, limit));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withTexts(item, limit)]));
}
