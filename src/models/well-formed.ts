/**
 * Text of a request or a reply as well-formed Unicode: strict servers refuse half a surrogate pair, and so every later
 * request.
 */
export function wellFormed<T>(value: T): T {
  if (typeof value === 'string') return (value.isWellFormed() ? value : value.toWellFormed()) as T & string;
  if (Array.isArray(value)) return value.map(wellFormed) as T & unknown[];
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [wellFormed(key), wellFormed(inner)])) as T;
}
