/**
 * Makes patches in the form of `contracts/context-patch.ts`. With them snapshots share in JSON what did not change. A
 * patch depends only on the content of the two values, not on what they share in memory, so that a context that was
 * carried as JSON goes on exactly like one that was not.
 */
import type { Edit, ItemPatch, Patch } from '../../contracts/context-patch.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, memberOf } from '../../contracts/json.ts';
import { bytesOf, isIdentical } from './tree.ts';

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
  if (isJsonArray(target) && isJsonArray(source)) return { items: itemPatches(target, source) };
  return isJsonObject(target) && isJsonObject(source) ? objectPatch(target, source) : undefined;
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

/** Runs of equal items, even if they moved. An item in the place of a missing one counts as that item, edited. */
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
    const patch = patchOf(value, memberOf(source, key));
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

/** Keys of the longest list that is in the same order in both. All others are set again. */
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
