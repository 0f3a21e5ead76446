/** What was found, in the form that a JSON schema asks for: as far as rules go, and no further. */

const NUMBER = /-?\d+(?:\.\d+)?/;
/** Forms that contain themselves end somewhere. */
const MAX_DEPTH = 8;

type Schema = Readonly<Record<string, unknown>>;

/** A value of the schema with the text in its texts, the first number in its numbers, and one item in its lists. */
export function fillForm(schema: Schema, text: string): unknown {
  return fill(schema, { root: schema, text }, 0);
}

interface Filling {
  readonly root: Schema;
  readonly text: string;
}

function fill(given: unknown, filling: Filling, depth: number): unknown {
  const schema = resolve(given, filling.root);
  if (depth > MAX_DEPTH) return null;
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return chosen(schema['enum'], filling.text);
  const [first] = list(schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']);
  if (first !== undefined) return fill(first, filling, depth + 1);
  const type = Array.isArray(schema['type']) ? (schema['type'] as unknown[])[0] : schema['type'];
  switch (type) {
    case 'string':
      return said(schema, filling.text);
    case 'number':
    case 'integer':
      return number(schema, filling.text, type === 'integer');
    case 'boolean':
      return true;
    case 'array':
      return schema['items'] === undefined ? [] : [fill(schema['items'], filling, depth + 1)];
    case 'object':
      return Object.fromEntries(
        Object.entries(record(schema['properties'])).map(([key, part]) => [key, fill(part, filling, depth + 1)]),
      );
    default:
      return null;
  }
}

/** Of several words the one that is said, else the first. */
function chosen(words: readonly unknown[], text: string): unknown {
  return words.find((word) => typeof word === 'string' && text.toLowerCase().includes(word.toLowerCase())) ?? words[0];
}

function said({ minLength, maxLength }: Schema, text: string): string {
  const padded = typeof minLength === 'number' ? text.padEnd(minLength) : text;
  return typeof maxLength === 'number' ? padded.slice(0, maxLength) : padded;
}

function number({ minimum, maximum }: Schema, text: string, isWhole: boolean): number {
  const found = Number(NUMBER.exec(text)?.[0] ?? 0);
  const low = typeof minimum === 'number' ? Math.max(found, minimum) : found;
  const bounded = typeof maximum === 'number' ? Math.min(low, maximum) : low;
  return isWhole ? Math.round(bounded) : bounded;
}

function resolve(given: unknown, root: Schema): Schema {
  const schema = record(given);
  const name = typeof schema['$ref'] === 'string' ? /^#\/\$defs\/(.+)$/.exec(schema['$ref'])?.[1] : undefined;
  return name === undefined ? schema : record(record(root['$defs'])[name]);
}

function record(value: unknown): Schema {
  // Of the keys of a JSON object.
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
