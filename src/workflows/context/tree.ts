/**
 * Values as the context stores them: plain JSON that nobody changes, so that snapshots, working copies and
 * successive versions share what is equal.
 */
import { isJsonArray, isJsonObject, type Json, type JsonObject, memberOf } from '../../contracts/json.ts';
import { utf8Bytes } from '../../contracts/utf8.ts';

type Container = JsonObject | readonly Json[];

function isContainer(value: Json | undefined): value is Container {
  return typeof value === 'object' && value !== null;
}

export function copyOf<T extends Json>(value: T): T;
export function copyOf(value: Json): Json {
  if (isJsonArray(value)) return value.map((item) => copyOf(item));
  if (!isJsonObject(value)) return value;
  const copy: Record<string, Json> = {};
  for (const key of Object.keys(value)) copy[key] = copyOf(value[key] ?? null);
  return copy;
}

/**
 * The value to store in place of `previous`: `previous` itself if they are equal, otherwise a copy in which
 * every part that is equal to the part it replaces is that very part.
 */
export function copyReusing(value: Json, previous: Json | undefined): Json {
  if (isJsonArray(value)) {
    const before = isJsonArray(previous) ? previous : [];
    const items = value.map((item, index) => copyReusing(item, before[index]));
    const isSame = items.length === before.length && items.every((item, index) => item === before[index]);
    return isSame && isJsonArray(previous) ? previous : reuseMoved(items, before);
  }
  if (!isJsonObject(value)) return value === 0 ? 0 : value; // JSON knows no -0
  const before = isJsonObject(previous) ? previous : {};
  const keys = Object.keys(value);
  const copy: Record<string, Json> = {};
  let isSame = isJsonObject(previous) && keys.length === Object.keys(before).length;
  for (const key of keys) {
    const old = memberOf(before, key);
    const item = copyReusing(value[key] ?? null, old);
    isSame &&= item === old;
    copy[key] = item;
  }
  return isSame ? before : copy;
}

/** Finds items that have moved, as in a list of the latest N: there, no item equals the one it replaces. */
function reuseMoved(items: readonly Json[], before: readonly Json[]): readonly Json[] {
  const lost = before.filter((item, index) => isContainer(item) && item !== items[index]);
  if (lost.length === 0) return items;
  const byText = new Map(lost.map((item) => [JSON.stringify(item), item]));
  return items.map((item, index) =>
    isContainer(item) && item !== before[index] ? (byText.get(JSON.stringify(item)) ?? item) : item,
  );
}

/** Whether two values are equal; the order of an object's keys does not matter. */
export function isEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isJsonArray(a))
    return isJsonArray(b) && a.length === b.length && a.every((item, index) => isEqual(item, b[index]));
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isEqual(a[key], b[key]));
}

/** Whether two stored values have the same JSON text: the order of keys matters. */
export function isIdentical(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (!isContainer(a) || !isContainer(b) || bytesOf(a) !== bytesOf(b)) return false;
  if (isJsonArray(a))
    return isJsonArray(b) && a.length === b.length && a.every((item, at) => isIdentical(item, b[at] ?? null));
  if (isJsonArray(b)) return false;
  const keys = Object.keys(b);
  return Object.keys(a).every((key, at) => key === keys[at] && isIdentical(a[key] ?? null, b[key] ?? null));
}

/** Sizes of containers that were measured once. They hold for ever: stored values do not change. */
const measured = new WeakMap<Container, number>();

/** Size of a stored value as JSON in UTF-8. Not for a value that its holder may change. */
export function bytesOf(value: Json): number {
  if (typeof value === 'string') return textBytes(value);
  if (!isContainer(value)) return String(value).length;
  const known = measured.get(value);
  if (known !== undefined) return known;
  let bytes = 0;
  if (isJsonArray(value)) for (const item of value) bytes += bytesOf(item) + 1;
  else for (const key of Object.keys(value)) bytes += entryBytes(key, value[key] ?? null);
  const total = bytes === 0 ? 2 : bytes + 1; // the brackets, less the comma after the last
  measured.set(value, total);
  return total;
}

/** Size of a member of an object: key, colon, value, and a comma or bracket. */
export function entryBytes(key: string, value: Json): number {
  return textBytes(key) + 1 + bytesOf(value) + 1;
}

function textBytes(text: string): number {
  // Nothing but printable ASCII without quotes and backslashes: most texts, and fast.
  return /^[ !#-[\]-~]*$/.test(text) ? text.length + 2 : utf8Bytes(JSON.stringify(text));
}
