/** Reads one value of a context by its key. */
import type { ContextValues } from '../../contracts/context.ts';
import { isJsonObject, type Json, memberOf } from '../../contracts/json.ts';

/** The value of the key, or of a path such as `copilot.plan` into an object if there is no such key. */
export function contextValue(values: ContextValues, path: string): Json | undefined {
  const value = memberOf(values, path);
  if (value !== undefined) return value;
  const dots = [...path.matchAll(/\./g)].map(({ index }) => index);
  const parents = dots.map((at) => [memberOf(values, path.slice(0, at)), path.slice(at + 1)] as const);
  const found = parents.map(([parent, rest]) => (isJsonObject(parent) ? contextValue(parent, rest) : undefined));
  return found.find((inner) => inner !== undefined);
}
