/** Objects and lists that a model wrote as JSON text, as arguments of a call that wants them themselves. */
import { parseJson } from '../../contracts/json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** @returns the text itself if there is nothing to change */
export function fittedArguments(text: string, schema: Fields): string {
  // Most calls have nothing of that kind, and some are long.
  if (!/:\s*"\s*(?:[[{]|\\n)/.test(text)) return text;
  const given = parseJson(text);
  const found = fitted(given, schema);
  return found === given ? text : JSON.stringify(found);
}

function fitted(value: unknown, schema: unknown): unknown {
  if (!isFields(schema)) return value;
  const types = typesOf(schema);
  if (typeof value === 'string') {
    const inner = types.includes('string') ? undefined : parseJson(value);
    const isWanted = Array.isArray(inner) ? types.includes('array') : isFields(inner) && types.includes('object');
    return isWanted ? fitted(inner, schema) : value;
  }
  if (Array.isArray(value)) {
    const list = value.map((item: unknown) => fitted(item, schema['items']));
    return list.some((item, index) => item !== value[index]) ? list : value;
  }
  const { properties } = schema;
  if (!isFields(value) || !isFields(properties)) return value;
  const changed = Object.entries(value).flatMap(([name, member]) => {
    const found = Object.hasOwn(properties, name) ? fitted(member, properties[name]) : member;
    return found === member ? [] : [[name, found] as const];
  });
  return changed.length === 0 ? value : { ...value, ...Object.fromEntries(changed) };
}

function typesOf(schema: Fields): unknown[] {
  const forms = [schema['anyOf'], schema['oneOf']].flatMap((list) => (Array.isArray(list) ? (list as unknown[]) : []));
  return [schema['type'], ...forms.map((form) => (isFields(form) ? form['type'] : undefined))].flat();
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
