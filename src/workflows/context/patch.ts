/**
 * What is needed to make one value out of another: how snapshots share what did not change in JSON, which has no
 * references. A patch depends on the content of the two values alone, not on what they share in memory, so that
 * a context that was carried as JSON goes on exactly as one that was not.
 */
import type { Edit, ItemPatch, Patch } from '../../contracts/context.ts';
import { toFailure } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import { MAX_CONTEXT_BYTES } from '../../contracts/limits.ts';
import { bytesOf, isArray, isIdentical, isObject, type JsonObject, member } from './tree.ts';

/** Shorter texts are written out: a patch of them would hardly be smaller. */
const MIN_PATCHED_TEXT = 40;

/** How to make `target` out of `source`; never larger than `target` written out. Both are stored values. */
export function patchOf(target: Json, source: Json | undefined): Patch {
  const whole = { is: target };
  if (source === undefined) return whole;
  if (isIdentical(target, source)) return 0;
  const patch = partsOf(target, source);
  return patch !== undefined && bytesOf(patch) < bytesOf(whole) ? patch : whole;
}

function partsOf(target: Json, source: Json): Edit | undefined {
  if (typeof target === 'string' && typeof source === 'string') return textPatch(target, source);
  if (isArray(target) && isArray(source)) return { items: itemPatches(target, source) };
  return isObject(target) && isObject(source) ? objectPatch(target, source) : undefined;
}

/** One edit, wherever it is. Several far apart cost what lies between them. */
function textPatch(target: string, source: string): Edit | undefined {
  const shorter = Math.min(target.length, source.length);
  if (shorter < MIN_PATCHED_TEXT) return undefined;
  let start = 0;
  while (start < shorter && target.charCodeAt(start) === source.charCodeAt(start)) start += 1;
  // Half of a surrogate pair would be plain JSON too, but other programs that pass it on may spoil it.
  if (isHighSurrogate(target.charCodeAt(start - 1))) start -= 1;
  let end = 0;
  while (
    end < shorter - start &&
    target.charCodeAt(target.length - end - 1) === source.charCodeAt(source.length - end - 1)
  )
    end += 1;
  if (end > 0 && isHighSurrogate(target.charCodeAt(target.length - end - 1))) end -= 1;
  return { text: [start, target.slice(start, target.length - end), end] };
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Runs of equal items wherever they moved to; what stands where an item is missing is taken for that item, edited. */
function itemPatches(target: readonly Json[], source: readonly Json[]): ItemPatch[] {
  const patches: ItemPatch[] = [];
  const shorter = Math.min(target.length, source.length);
  let start = 0;
  while (start < shorter && isSameItem(target, start, source, start)) start += 1;
  let end = 0;
  while (end < shorter - start && isSameItem(target, target.length - end - 1, source, source.length - end - 1))
    end += 1;
  const copy = (from: number, count: number): void => {
    const last = patches.at(-1);
    if (Array.isArray(last) && typeof last[1] === 'number' && last[0] + last[1] === from) {
      patches[patches.length - 1] = [last[0], last[1] + count];
    } else if (count > 0) patches.push([from, count]);
  };
  copy(0, start);
  const texts = source.slice(start, source.length - end).map((item) => JSON.stringify(item));
  const firstByText = new Map(texts.map((text, index): [string, number] => [text, index]).reverse());
  let next = 0;
  for (const item of target.slice(start, target.length - end)) {
    const text = JSON.stringify(item);
    const found = texts[next] === text ? next : firstByText.get(text);
    if (found === undefined) {
      const patch = patchOf(item, next < texts.length ? source[start + next] : undefined);
      patches.push(patch === 0 || 'is' in patch ? { is: item } : [start + next, patch]);
      next += 1;
    } else {
      copy(start + found, 1);
      next = found + 1;
    }
  }
  copy(source.length - end, end);
  return patches;
}

function isSameItem(a: readonly Json[], at: number, b: readonly Json[], bt: number): boolean {
  return isIdentical(a[at] ?? null, b[bt] ?? null);
}

function objectPatch(target: JsonObject, source: JsonObject): Edit {
  const inPlace = keysInPlace(target, source);
  const keys: Record<string, Patch> = {};
  const put: [number, string, Patch][] = [];
  let isPatched = false;
  for (const [index, [key, value]] of Object.entries(target).entries()) {
    const patch = patchOf(value, member(source, key));
    if (!inPlace.has(key)) put.push([index, key, patch]);
    else if (patch !== 0) {
      keys[key] = patch;
      isPatched = true;
    }
  }
  const without = Object.keys(source).filter((key) => !Object.hasOwn(target, key));
  return {
    ...(isPatched ? { keys } : {}),
    ...(without.length === 0 ? {} : { without }),
    ...(put.length === 0 ? {} : { put }),
  };
}

/** Keys of the longest list that stands in both in the same order. Taking a key out and setting it anew moves it alone. */
function keysInPlace(target: JsonObject, source: JsonObject): Set<string> {
  const [wanted, given] = [Object.keys(target), Object.keys(source)];
  if (wanted.length === given.length && wanted.every((key, index) => key === given[index])) return new Set(wanted);
  const positions = new Map(given.map((key, index) => [key, index]));
  const common = wanted.flatMap((key) => {
    const position = positions.get(key);
    return position === undefined ? [] : [{ key, position }];
  });
  // Longest increasing subsequence: `ends[n]` ends the list of n + 1 keys that ends lowest in `source`.
  const ends: Link[] = [];
  for (const { key, position } of common) {
    let at = 0;
    for (let high = ends.length; at < high;) {
      const middle = (at + high) >> 1;
      if ((ends[middle]?.position ?? 0) < position) at = middle + 1;
      else high = middle;
    }
    ends[at] = { key, position, before: ends[at - 1] };
  }
  const inPlace = new Set<string>();
  for (let link = ends.at(-1); link; link = link.before) inPlace.add(link.key);
  return inPlace;
}

interface Link {
  readonly key: string;
  readonly position: number;
  readonly before: Link | undefined;
}

/**
 * The value that the patch makes out of `source`. What did not change is shared with it.
 * @throws InvalidInput where the patch does not fit the value
 */
export function applyPatch(patch: Patch, source: Json | undefined): Json {
  if (patch === 0) return source === undefined ? misfit('it repeats a value that is not there') : source;
  if ('is' in patch) return patch.is;
  if ('text' in patch) return appliedText(patch.text, source);
  if ('items' in patch) return appliedItems(patch.items, source);
  if (!isObject(source)) return misfit('it edits the keys of something that is not an object');
  const { keys = {}, without = [], put = [] } = patch;
  const copy: Record<string, Json> = { ...source };
  for (const key of [...without, ...put.map(([, name]) => name)]) delete copy[key];
  for (const [key, part] of Object.entries(keys)) {
    if (!Object.hasOwn(copy, key)) misfit(`it edits the key "${key.slice(0, 60)}", which is not there`);
    copy[key] = applyPatch(part, copy[key]);
  }
  if (put.length === 0) return copy;
  const added = put.map(([index, key, part]) => ({
    index,
    entry: [key, applyPatch(part, member(source, key))] as const,
  }));
  return Object.fromEntries(inserted(Object.entries(copy), added));
}

/** In one pass: positions are those in the result. */
function inserted<T>(items: readonly T[], added: readonly { index: number; entry: T }[]): T[] {
  const result: T[] = [];
  let taken = 0;
  for (const { index, entry } of added) {
    const run = items.slice(taken, taken + Math.max(0, index - result.length));
    taken += run.length;
    for (const item of run) result.push(item);
    result.push(entry);
  }
  return result.concat(items.slice(taken));
}

function appliedText([start, between, end]: readonly [number, string, number], source: Json | undefined): string {
  if (typeof source !== 'string' || start + end > source.length) return misfit('it edits a text that is not there');
  return source.slice(0, start) + between + source.slice(source.length - end);
}

function appliedItems(patches: readonly ItemPatch[], source: Json | undefined): Json {
  if (!isArray(source)) return misfit('it edits the items of something that is not an array');
  const items: Json[] = [];
  for (const patch of patches) {
    if ('is' in patch) items.push(patch.is);
    else {
      const [from, what] = patch;
      const count = typeof what === 'number' ? what : 1;
      if (from + count > source.length) misfit(`it repeats items up to ${from + count} of ${source.length}`);
      if (items.length + count > MAX_CONTEXT_BYTES) misfit('it makes an array that is larger than a context');
      if (typeof what === 'number') for (const item of source.slice(from, from + count)) items.push(item);
      else items.push(applyPatch(what, source[from]));
    }
  }
  return items;
}

function misfit(problem: string): never {
  throw toFailure('InvalidInput', { what: 'A snapshot of the context', problem });
}
