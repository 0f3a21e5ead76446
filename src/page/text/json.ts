/** JSON that a person or a model wrote. The contracts' own reader would bring zod into the page. */
import type { JsonObject } from '../../contracts/json.ts';

/** What the text says; undefined if it is no JSON. */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Undefined if the text is not one JSON object. */
export function readObject(text: string): JsonObject | undefined {
  const value = readJson(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined; // read from JSON
}
