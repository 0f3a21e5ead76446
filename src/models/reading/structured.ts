/** Reads objects out of what models write. Whoever calls validates the result: this only mends its form. */
import { jsonrepair } from 'jsonrepair';
import { filterThinking } from './thinking.ts';

type Schema = Readonly<Record<string, unknown>>;

/**
 * Finds the JSON in a text and brings it close to a schema: text around it, fences, thinking, trailing commas, raw line
 * breaks, the case of names and enums, numbers as text, a bare list, a wrapper object.
 * @param schema JSON schema of an object
 * @returns the value, or undefined if the text has no JSON
 */
export function readStructured(text: string, schema: Schema): unknown {
  const filter = filterThinking(
    () => undefined,
    () => undefined,
  );
  filter.add(text);
  const values = candidates(filter.finish()).map((value) => fit(value, schema, schema));
  return values.find((value) => isComplete(value, schema)) ?? values[0];
}

/** JSON values in the text, the likeliest first. */
function candidates(text: string): unknown[] {
  const whole = parse(text.trim());
  if (isContainer(whole)) return [whole];
  const fenced = [...text.matchAll(/```[\w-]*[ \t]*\r?\n([\s\S]*?)(?:```|$)/g)].map(([, inner = '']) => inner);
  const found = [...fenced, ...balanced(text), open(text)].map((part) => repair(part.trim())).filter(isContainer);
  return found;
}

/** The outermost objects and lists, brackets inside strings aside. */
function balanced(text: string): string[] {
  const parts: string[] = [];
  for (let from = text.search(/[[{]/); from >= 0;) {
    const to = closing(text, from);
    if (to === undefined) break;
    parts.push(text.slice(from, to + 1));
    const next = text.slice(to + 1).search(/[[{]/);
    from = next < 0 ? -1 : to + 1 + next;
  }
  // A sentence may have brackets, too: the longest part is the likeliest.
  return parts.sort((a, b) => b.length - a.length);
}

function closing(text: string, from: number): number | undefined {
  let depth = 0;
  let isString = false;
  for (let index = from; index < text.length; index++) {
    const sign = text[index];
    if (isString) {
      if (sign === '\\') index++;
      else if (sign === '"') isString = false;
    } else if (sign === '"') isString = true;
    else if (sign === '{' || sign === '[') depth++;
    else if ((sign === '}' || sign === ']') && --depth === 0) return index;
  }
  return undefined;
}

/** From the first bracket to the last one that closes something. */
function open(text: string): string {
  const from = text.search(/[[{]/);
  return from < 0 ? '' : text.slice(from, Math.max(text.lastIndexOf('}'), text.lastIndexOf(']')) + 1);
}

function repair(text: string): unknown {
  const value = parse(text);
  if (value !== undefined || !/^[[{]/.test(text)) return value;
  try {
    return parse(jsonrepair(text));
  } catch {
    return undefined;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether every required property is there. */
function isComplete(value: unknown, schema: Schema): boolean {
  const required = Array.isArray(schema['required']) ? (schema['required'] as string[]) : [];
  return isRecord(value) && required.every((name) => name in value);
}

function fit(value: unknown, schema: Schema, root: Schema): unknown {
  const resolved = resolve(value, schema, root);
  switch (resolved['type']) {
    case 'object':
      return fitObject(value, resolved, root);
    case 'array':
      return fitArray(value, resolved, root);
    case 'number':
    case 'integer':
      return fitNumber(value, resolved);
    case 'boolean':
      return fitBoolean(value);
    case 'string':
      return fitString(value, resolved);
    default:
      return value;
  }
}

/** Follows `$ref`, and of several forms takes the one that the value comes closest to. */
function resolve(value: unknown, schema: Schema, root: Schema): Schema {
  const ref = schema['$ref'];
  if (typeof ref === 'string') {
    const definitions = (root['$defs'] ?? root['definitions'] ?? {}) as Record<string, Schema | undefined>;
    const target = ref === '#' ? root : definitions[ref.split('/').at(-1) ?? ''];
    return target ? resolve(value, target, root) : {};
  }
  const forms = (schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined;
  if (!forms) return schema;
  const type = typeOf(value);
  const exact = forms.find((form) => form['type'] === type || (form['type'] === 'integer' && type === 'number'));
  return exact ?? forms.find((form) => form['type'] !== 'null') ?? {};
}

function fitObject(value: unknown, schema: Schema, root: Schema): unknown {
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  const names = Object.keys(properties);
  if (Array.isArray(value)) {
    const lists = names.filter((name) => properties[name]?.['type'] === 'array');
    const [list] = lists;
    return lists.length === 1 && list !== undefined ? fitObject({ [list]: value }, schema, root) : value;
  }
  if (!isRecord(value) || names.length === 0) return value;
  const byName = new Map(Object.keys(value).map((key) => [plain(key), key]));
  const known = names.filter((name) => byName.has(plain(name)));
  const [inner] = Object.values(value);
  if (known.length === 0 && Object.keys(value).length === 1 && isContainer(inner))
    return fitObject(inner, schema, root);
  const fitted: Record<string, unknown> = {};
  for (const [key, own] of Object.entries(value)) {
    const name =
      names.find((candidate) => candidate === key) ??
      names.find((candidate) => plain(candidate) === plain(key) && !(candidate in value));
    if (name === undefined) fitted[key] = own;
    else if (own !== null || isNullable(properties[name] ?? {})) fitted[name] = fit(own, properties[name] ?? {}, root);
  }
  return fitted;
}

function fitArray(value: unknown, schema: Schema, root: Schema): unknown {
  const items = (schema['items'] ?? {}) as Schema;
  if (Array.isArray(value)) return value.map((item) => fit(item, items, root));
  if (value === null || value === '') return [];
  const lists = isRecord(value) ? Object.values(value).filter(Array.isArray) : [];
  if (lists.length === 1) return fitArray(lists[0], schema, root);
  return [fit(value, items, root)];
}

function fitNumber(value: unknown, schema: Schema): unknown {
  const text = typeof value === 'string' ? /^\s*(-?\d+(?:\.\d+)?)\s*(%|\/\s*\d+)?\s*$/.exec(value) : undefined;
  const number = text ? Number(text[1]) : value;
  if (typeof number !== 'number') return value;
  // A share in percent.
  const share = schema['maximum'] === 1 && number > 1 && number <= 100 ? number / 100 : number;
  return schema['type'] === 'integer' ? Math.round(share) : share;
}

function fitBoolean(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (/^\s*(true|yes|y)\s*$/i.test(value)) return true;
  return /^\s*(false|no|n)\s*$/i.test(value) ? false : value;
}

function fitString(value: unknown, schema: Schema): unknown {
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  const joined = Array.isArray(text) && text.every((part) => typeof part === 'string') ? text.join('\n') : text;
  const choices = Array.isArray(schema['enum']) ? (schema['enum'] as unknown[]) : undefined;
  if (!choices || typeof joined !== 'string' || choices.includes(joined)) return joined;
  return choices.find((choice) => typeof choice === 'string' && plain(choice) === plain(joined)) ?? joined;
}

function isNullable(schema: Schema): boolean {
  const forms = [schema, ...(((schema['anyOf'] ?? schema['oneOf']) as Schema[] | undefined) ?? [])];
  return forms.some(({ type }) => type === 'null' || (Array.isArray(type) && type.includes('null')));
}

/** Names are alike if only case and signs between words differ. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return isContainer(value) && !Array.isArray(value);
}
