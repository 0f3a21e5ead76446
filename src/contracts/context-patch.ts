/**
 * How one value of the context is written as its difference from another: the form in which snapshots are carried and
 * exported. `workflows/context/patch.ts` makes such patches.
 */
import { z } from 'zod';
import { isJsonArray, isJsonObject, type Json, memberOf } from './json.ts';
import { MAX_CONTEXT_BYTES } from './limits.ts';
import { beginningOf } from './text-cut.ts';

/** How to make an array out of another one: a run `[from, count]` of it, an edited item, or a new one. */
export type ItemPatch =
  | readonly [from: number, count: number]
  | readonly [from: number, edit: Edit]
  | { readonly is: Json };

/**
 * How to make one value out of another that differs:
 * - `is`: this value
 * - `text`: this many units of the start and the end of the text stay, with this text between
 * - `items`: the items of an array, in order
 * - `keys`: patches of members that stay where they are; `without`: members that go; `put`: members at these
 *   positions, in ascending order, each a patch of the member of that name
 */
export type Edit =
  | { readonly is: Json }
  | { readonly text: readonly [start: number, between: string, end: number] }
  | { readonly items: readonly ItemPatch[] }
  | {
      readonly keys?: { readonly [key: string]: Patch };
      readonly without?: readonly string[];
      readonly put?: readonly (readonly [index: number, key: string, patch: Patch])[];
    };

/** How to make one value out of another; `0` if it is the same. */
export type Patch = 0 | Edit;

const Index = z.int().min(0).max(MAX_CONTEXT_BYTES);

const Edit: z.ZodType<Edit, Edit> = z.lazy(() =>
  z.union([
    z.strictObject({ is: z.custom<Json>() }),
    z.strictObject({ text: z.tuple([Index, z.string(), Index]) }),
    z.strictObject({
      items: z.array(
        z.union([z.tuple([Index, Index]), z.tuple([Index, Edit]), z.strictObject({ is: z.custom<Json>() })]),
      ),
    }),
    z.strictObject({
      keys: z.record(z.string(), Patch).exactOptional(),
      without: z.array(z.string()).exactOptional(),
      put: z.array(z.tuple([Index, z.string(), Patch])).exactOptional(),
    }),
  ]),
);
export const Patch = z.union([z.literal(0), Edit]);

/** What {@link applyPatch} does if a patch does not fit. */
type Misfit = (problem: string) => never;

/**
 * The value that the patch makes out of `source`. What did not change is shared with it.
 * @param misfit throws the caller's error if the patch does not fit the value
 */
export function applyPatch(patch: Patch, source: Json | undefined, misfit: Misfit): Json {
  if (patch === 0) return source === undefined ? misfit('it repeats a value that is not there') : source;
  if ('is' in patch) return patch.is;
  if ('text' in patch) return appliedText(patch.text, source, misfit);
  if ('items' in patch) return appliedItems(patch.items, source, misfit);
  if (!isJsonObject(source)) return misfit('it edits the keys of something that is not an object');
  const { keys = {}, without = [], put = [] } = patch;
  const copy: Record<string, Json> = { ...source };
  for (const key of [...without, ...put.map(([, name]) => name)]) delete copy[key];
  for (const [key, part] of Object.entries(keys)) {
    if (!Object.hasOwn(copy, key)) misfit(`it edits the key "${beginningOf(key, 60)}", which is not there`);
    copy[key] = applyPatch(part, copy[key], misfit);
  }
  if (put.length === 0) return copy;
  const added = put.map(([index, key, part]) => ({
    index,
    entry: [key, applyPatch(part, memberOf(source, key), misfit)] as const,
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

function appliedText(
  [start, between, end]: readonly [number, string, number],
  source: Json | undefined,
  misfit: Misfit,
): string {
  if (typeof source !== 'string' || start + end > source.length) return misfit('it edits a text that is not there');
  return source.slice(0, start) + between + source.slice(source.length - end);
}

function appliedItems(patches: readonly ItemPatch[], source: Json | undefined, misfit: Misfit): Json {
  if (!isJsonArray(source)) return misfit('it edits the items of something that is not an array');
  const items: Json[] = [];
  for (const patch of patches) {
    if ('is' in patch) items.push(patch.is);
    else {
      const [from, what] = patch;
      const count = typeof what === 'number' ? what : 1;
      if (from + count > source.length) misfit(`it repeats items up to ${from + count} of ${source.length}`);
      if (items.length + count > MAX_CONTEXT_BYTES) misfit('it makes an array that is larger than a context');
      if (typeof what === 'number') for (const item of source.slice(from, from + count)) items.push(item);
      else items.push(applyPatch(what, source[from], misfit));
    }
  }
  return items;
}
