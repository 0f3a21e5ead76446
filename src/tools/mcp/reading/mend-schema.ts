/**
 * Schemas of tools as servers write them, in a form that models' APIs take. They refuse a whole request because of one
 * keyword in one tool. What a keyword cannot mean is dropped, so a schema may become looser and never stricter: the
 * server itself checks the arguments.
 */

export type Schema = Readonly<Record<string, unknown>>;

/** A schema, or why no call could ever fit it. */
export type MendedSchema = { readonly schema: Schema } | { readonly problem: string };

/** Levels of a schema that are kept. APIs take about ten. */
const MAX_DEPTH = 32;
const TYPES: ReadonlySet<unknown> = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);
/** Keywords whose value is a schema, a list of schemas, and schemas by name. */
const ONE = new Set(['items', 'contains', 'additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else']);
const LISTS = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const MAPS = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const TEXTS = new Set(['description', 'title', 'format', '$ref']);
const NUMBERS = new Set([
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...['minLength', 'maxLength', 'minItems', 'maxItems', 'minProperties', 'maxProperties'],
]);

/** The schema of a tool's arguments, which are an object whatever the server says. */
export function mendArguments(given: unknown): MendedSchema {
  if (given === undefined || given === null || typeof given === 'boolean')
    return { schema: { type: 'object', properties: {} } };
  if (!isSchema(given)) return { problem: 'its inputSchema is not a JSON object' };
  const { $schema: _, ...root } = withoutReference(given);
  const types = [root['type']]
    .flat()
    .map(typeNamed)
    .filter((type) => type !== undefined);
  if (types.length > 0 && !types.includes('object'))
    return { problem: `its inputSchema has the type ${types.join(', ')}, and arguments are an object` };
  return { schema: mend(joinForms({ ...root, type: 'object' }, given), given, 0) };
}

/**
 * APIs refuse alternatives at the top. Their properties become optional properties of the whole, and its description
 * says which belong together.
 */
function joinForms(root: Schema, document: Schema): Schema {
  const { anyOf: _a, oneOf: _o, allOf: _l, not: _n, enum: _e, if: _i, then: _t, else: _s, ...rest } = root;
  const choices = [root['anyOf'], root['oneOf']]
    .map((list) => formsOf(list, document))
    .filter((list) => list.length > 0);
  const parts = formsOf(root['allOf'], document);
  if (choices.length + parts.length === 0) return rest;
  const all = [rest, ...parts, ...choices.flat()];
  const properties = Object.fromEntries([
    // The groups name them.
    ...all.flatMap(namesIn).map((name): [string, unknown] => [name, {}]),
    ...all.flatMap(({ properties: own }) => (isSchema(own) ? Object.entries(own) : [])),
  ]);
  const required = new Set([rest, ...parts].flatMap(namesIn));
  for (const forms of choices) {
    const [first = [], ...others] = forms.map(namesIn);
    for (const name of first) if (others.every((names) => names.includes(name))) required.add(name);
  }
  const told = choices.map(
    (forms) => `Give one of these groups: ${forms.map((form) => namesIn(form).join(', ') || 'nothing').join(' | ')}.`,
  );
  const description = [rest['description'], ...told].filter((text) => typeof text === 'string').join(' ');
  return {
    ...rest,
    properties,
    ...(required.size === 0 ? {} : { required: [...required] }),
    ...(description === '' ? {} : { description }),
  };
}

function formsOf(list: unknown, document: Schema): Schema[] {
  return Array.isArray(list) ? list.filter(isSchema).map((form) => withoutReference(form, document)) : [];
}

function namesIn({ required }: Schema): string[] {
  return Array.isArray(required) ? required.filter((name) => typeof name === 'string') : [];
}

/** The schema that a reference at the top names, with what stands beside it. */
function withoutReference(schema: Schema, document = schema): Schema {
  const { $ref: reference, ...rest } = schema;
  const target = typeof reference === 'string' ? find(document, reference) : undefined;
  if (!target || target === schema) return rest;
  const { $ref: _, ...found } = target;
  return { ...found, ...rest };
}

/** What a reference inside of the document names. */
function find(document: Schema, reference: string): Schema | undefined {
  if (!reference.startsWith('#/')) return reference === '#' ? document : undefined;
  let found: unknown = document;
  for (const key of reference.slice(2).split('/')) {
    const name = decoded(key).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Schema)[name];
  }
  return isSchema(found) ? found : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function mend(schema: Schema, document: Schema, depth: number): Schema {
  if (depth > MAX_DEPTH) return {};
  const inner = (value: unknown): unknown => (isSchema(value) ? mend(value, document, depth + 1) : {});
  const kept: [string, unknown][] = [];
  for (const [key, value] of Object.entries(schema)) {
    const mended = mendKeyword(key, value, inner);
    if (mended !== undefined && !(key === '$ref' && !find(document, String(value)))) kept.push([key, mended]);
  }
  const result = withRequired(Object.fromEntries(kept));
  // OpenAI refuses a list whose items have no schema.
  return [result['type']].flat().includes('array') && !('items' in result) ? { ...result, items: {} } : result;
}

/** @returns undefined if the value is none that the keyword can have */
function mendKeyword(key: string, value: unknown, inner: (value: unknown) => unknown): unknown {
  if (key === 'type') return mendType(value);
  if (key === 'required') return Array.isArray(value) ? [...new Set(namesIn({ required: value }))] : undefined;
  if (key === 'enum') return Array.isArray(value) && value.length > 0 ? value : undefined;
  if (MAPS.has(key))
    return isSchema(value)
      ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inner(one)]))
      : undefined;
  if (LISTS.has(key)) return Array.isArray(value) && value.length > 0 ? value.map(inner) : undefined;
  if (key === 'additionalProperties' && typeof value === 'boolean') return value;
  if (ONE.has(key)) return isSchema(value) ? inner(value) : undefined;
  if (key === 'pattern') return isPattern(value) ? value : undefined;
  if (TEXTS.has(key)) return typeof value === 'string' ? value : undefined;
  if (NUMBERS.has(key)) return typeof value === 'number' ? value : undefined;
  return value === null && key !== 'default' && key !== 'const' ? undefined : value;
}

function isPattern(value: unknown): boolean {
  try {
    return typeof value === 'string' && new RegExp(value, 'u').source !== '';
  } catch {
    return false;
  }
}

function mendType(value: unknown): unknown {
  const types = [...new Set([value].flat().map(typeNamed))].filter((type) => type !== undefined);
  return types.length > 1 ? types : types[0];
}

/** Names of types in Python and in Gemini's schemas. */
const ALIASES: Readonly<Record<string, string>> = {
  ...{ str: 'string', int: 'integer', long: 'integer', float: 'number', double: 'number' },
  ...{ bool: 'boolean', list: 'array', tuple: 'array', dict: 'object', map: 'object', none: 'null' },
};

function typeNamed(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = value.toLowerCase();
  const type = Object.hasOwn(ALIASES, name) ? ALIASES[name] : name;
  return TYPES.has(type) ? type : undefined;
}

/** Gemini refuses a schema that requires a property which it does not have. */
function withRequired(schema: Schema): Schema {
  const { properties } = schema;
  const missing = isSchema(properties) ? namesIn(schema).filter((name) => !Object.hasOwn(properties, name)) : [];
  if (missing.length === 0 || !isSchema(properties)) return schema;
  return { ...schema, properties: { ...properties, ...Object.fromEntries(missing.map((name) => [name, {}])) } };
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
