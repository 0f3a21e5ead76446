/** JSON schemas and `strict: true`. https://platform.openai.com/docs/guides/structured-outputs#supported-schemas */

/** OpenAI refuses these with `strict`, see {@link withoutLengths}. Servers with grammars bound texts by them. */
const LENGTHS = ['minLength', 'maxLength'];

const KEYWORDS = new Set([
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  ...LENGTHS,
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

/** Whether a schema is in the subset that structured output takes with `strict: true`. */
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

/** The schema without bounds on the lengths of texts. */
export function withoutLengths(schema: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => {
      // A property may be called so.
      if (LENGTHS.includes(key) && typeof value === 'number') return [];
      return [[key, Array.isArray(value) ? value.map(stripped) : stripped(value)]];
    }),
  );
}

function stripped(value: unknown): unknown {
  return isRecord(value) ? withoutLengths(value) : value;
}
