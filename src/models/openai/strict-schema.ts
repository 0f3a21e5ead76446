/**
 * Whether a JSON schema is in the subset that structured output takes with `strict: true`.
 * https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
 */
const KEYWORDS = new Set([
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'enum',
  'const',
  'anyOf',
  'description',
  'title',
  '$schema',
  '$defs',
  '$ref',
]);

export function allowsStrict(schema: unknown): boolean {
  if (!isRecord(schema)) return false;
  if (Object.keys(schema).some((keyword) => !KEYWORDS.has(keyword))) return false;
  const { properties, required, items, anyOf, $defs } = schema;
  if (schema['type'] === 'object' || properties !== undefined) {
    if (schema['additionalProperties'] !== false || !isRecord(properties) || !Array.isArray(required)) return false;
    if (Object.keys(properties).some((name) => !required.includes(name))) return false;
  }
  const parts = [
    ...Object.values(isRecord(properties) ? properties : {}),
    ...Object.values(isRecord($defs) ? $defs : {}),
    ...(Array.isArray(anyOf) ? (anyOf as unknown[]) : []),
    ...(items === undefined ? [] : [items]),
  ];
  return parts.every(allowsStrict);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
