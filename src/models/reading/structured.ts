/** Reads objects out of what models write. Whoever calls validates the result: this only mends its form. */
import { parse as parseYaml } from 'yaml';
import { parseTolerantly, scanBrackets } from './json-scan.ts';
import { filterThinking } from './thinking.ts';

type Schema = Readonly<Record<string, unknown>>;

/**
 * Finds the JSON in a text and brings it close to a schema: text around it, fences, thinking, trailing commas, raw line
 * breaks, the case of names and enums, numbers as text, a bare list, a wrapper object, JSON inside of a text. If there is
 * no JSON, lines with names, YAML, or a list of Markdown may be it.
 * @param schema JSON schema of an object
 * @param isCut whether the text was cut off: then nothing that is still open is closed
 * @returns the value, or undefined if the text has no JSON
 */
export function readStructured(text: string, schema: Schema, isCut = false): unknown {
  const filter = filterThinking(
    () => undefined,
    () => undefined,
  );
  filter.add(text);
  const answer = filter.finish();
  const values = candidates(answer, isCut).map((value) => fit(value, schema, schema));
  const found = values.find((value) => isComplete(value, schema));
  if (found !== undefined || isCut) return found ?? values[0];
  const others = [fromLines, fromYaml, fromList].map((read) => fit(read(answer, schema), schema, schema));
  return others.find((value) => isComplete(value, schema)) ?? values[0];
}

/** Values that are looked at: a text may have any number of brackets. */
const MAX_CANDIDATES = 10;

/** JSON values in the text, the likeliest first. */
function candidates(text: string, isCut: boolean): unknown[] {
  const whole = parse(text.trim());
  if (typeof whole === 'string') return candidates(whole, isCut);
  if (isContainer(whole)) return [whole];
  const fences = [...text.matchAll(/```[\w-]*[ \t]?\r?\n/g)].slice(0, MAX_CANDIDATES);
  const fenced = fences.flatMap(({ index }) => balanced(text.slice(index)).slice(0, 1));
  const parts = [...fenced, ...balanced(text).sort((a, b) => b.length - a.length), ...(isCut ? [] : [open(text)])];
  return parts.map((part) => repair(part.trim())).filter(isContainer);
}

/** The outermost objects and lists. A sentence may have brackets, too, also such as are never closed. */
function balanced(text: string): string[] {
  const parts: string[] = [];
  const bracket = /[[{]/g;
  for (let tries = 0; tries < MAX_CANDIDATES; tries++) {
    const from = bracket.exec(text)?.index;
    if (from === undefined) break;
    const { end, missing } = scanBrackets(text, from);
    if (missing !== '') continue;
    parts.push(text.slice(from, end));
    bracket.lastIndex = end;
  }
  return parts;
}

/** From the first bracket to the last one that closes something. */
function open(text: string): string {
  const from = text.search(/[[{]/);
  return from < 0 ? '' : text.slice(from, Math.max(text.lastIndexOf('}'), text.lastIndexOf(']')) + 1);
}

/** Lines such as `Route: planned`. */
function fromLines(text: string, schema: Schema): unknown {
  const names = Object.keys(schema['properties'] ?? {});
  const pairs = [
    ...text.matchAll(/^[ \t*_`#-]{0,9}([a-zA-Z][\w -]{0,40})[*_`]{0,3}:[*_` \t]{0,9}(\S[^\n]{0,2000})$/gm),
  ];
  const found = pairs.slice(0, 100).flatMap(([, key = '', value = '']) => {
    const name = names.find((known) => plain(known) === plain(key));
    return name === undefined ? [] : [[name, parse(value.trim()) ?? value.replace(/[*_`]+$/, '').trim()] as const];
  });
  return Object.fromEntries(found);
}

/** A fence of YAML, or a text that begins as YAML does. */
function fromYaml(text: string): unknown {
  const fenced = /```ya?ml[ \t]?\r?\n([\s\S]*?)```/.exec(text)?.[1];
  if ((fenced === undefined && !/^\s*\w[\w ]{0,40}:\s/.test(text)) || text.length > MAX_YAML) return undefined;
  try {
    return parseYaml(fenced ?? text, { logLevel: 'silent', maxAliasCount: 0 }) as unknown;
  } catch {
    return undefined;
  }
}

const MAX_YAML = 50_000;
const ITEM = /^ {0,3}(?:\d{1,3}[.)]|[-*•])[ \t]{1,9}(?:step \d{1,3}:?[ \t]{1,9})?(\S[^\n]{0,5000})$/gim;
/** An id and a text: `**writer**: Write it.`, `(writer) Write it.`, `writer: Write it.`, or `Write it. (writer)`. */
const PARTS = [
  /^[[(*`]{1,3}(?<id>[\w-]{1,100})[\])*`:]{1,4}[ \t]{0,9}[:–—-]?[ \t]{1,9}(?<words>.+)$/,
  /^(?<id>[\w-]{1,100})[ \t]{0,9}[:–—][ \t]{1,9}(?<words>.+)$/,
  /^(?<words>.+?)[ \t]{0,9}[[(](?:\w{1,20}:[ \t]{0,9})?(?<id>[\w-]{1,100})[\])]\.?$/,
];

/** A list of Markdown, for a form that is one list of objects with an id and a text in front. */
function fromList(text: string, schema: Schema): unknown {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
  const [name, list] = properties.find(([, { type }]) => type === 'array') ?? [];
  const fields = Object.entries(((list?.['items'] ?? {}) as Schema)['properties'] ?? {}) as [string, Schema][];
  const [id, words] = fields.filter(([, { type }]) => type === 'string').map(([field]) => field);
  if (name === undefined || id === undefined || words === undefined || properties.length > 1) return undefined;
  const items = [...text.matchAll(ITEM)].map(([, line = '']) => {
    const groups = PARTS.map((part) => part.exec(line.trim())?.groups).find((found) => found !== undefined);
    return groups && { [id]: groups['id'], [words]: groups['words']?.trim() };
  });
  return items.length === 0 || items.includes(undefined) ? undefined : { [name]: items };
}

function repair(text: string): unknown {
  return /^[[{]/.test(text) ? parseTolerantly(text) : parse(text);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Whether every required property is there, and lists of objects are such lists. */
function isComplete(value: unknown, schema: Schema): boolean {
  const required = Array.isArray(schema['required']) ? (schema['required'] as string[]) : [];
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  if (!isRecord(value)) return false;
  return required.every((name) => {
    const items = properties[name]?.['items'] as Schema | undefined;
    const list = value[name];
    return name in value && !(items?.['type'] === 'object' && Array.isArray(list) && !list.every(isRecord));
  });
}

function fit(value: unknown, schema: Schema, root: Schema): unknown {
  const resolved = resolve(value, schema, root);
  switch (resolved['type']) {
    case 'object':
      return fitObject(decoded(value), resolved, root);
    case 'array':
      return fitArray(decoded(value), resolved, root);
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

/** Some models write a list or an object as a text that is JSON. */
function decoded(value: unknown): unknown {
  if (typeof value !== 'string' || !/^\s*[[{]/.test(value)) return value;
  const inner = repair(value.trim());
  return isContainer(inner) ? inner : value;
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
  const [inner, ...others] = Object.values(value).filter(isContainer);
  if (known.length === 0 && inner !== undefined && others.length === 0) return fitObject(inner, schema, root);
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
  // `{"1": {…}, "2": {…}}`
  if (isRecord(value) && Object.keys(value).length > 0 && Object.keys(value).every((key) => /^\D{0,10}\d+$/.test(key)))
    return Object.values(value).map((item) => fit(item, items, root));
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
  if (value === 0 || value === 1) return value === 1;
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
