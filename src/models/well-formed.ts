/**
 * Text of a request or a reply as well-formed Unicode: strict servers refuse half a surrogate pair, and so every later
 * request.
 */
export function wellFormed<T>(value: T): T {
  // Nearly all text is, and looking costs far less than copying.
  return isWellFormed(value) ? value : repaired(value);
}

function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (Array.isArray(value)) return value.every(isWellFormed);
  if (typeof value !== 'object' || value === null) return true;
  return Object.keys(value).every((key) => key.isWellFormed() && isWellFormed((value as Record<string, unknown>)[key]));
}

function repaired<T>(value: T): T {
  if (typeof value === 'string') return value.toWellFormed() as T & string;
  if (Array.isArray(value)) return value.map(repaired) as T & unknown[];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [repaired(key), repaired(inner)])) as T;
}
