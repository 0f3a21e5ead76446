/** Schemas of tools that leave open what an object or a list holds, for servers that want it said, such as older Gemini's. */
import type { Dialect, Lesson, Refused } from './dialect.ts';
import type { ToolSchema } from './model.ts';
import { takenTools } from './refused-tools.ts';

type Schema = Readonly<Record<string, unknown>>;

const OF_OPEN =
  /non-?empty for object|\bproperties\b[^.]{0,40}\b(must|should) (not be empty|be non-?empty)|\bobject\b[^.]{0,60}\b(at least one property|without properties|(must|should) (have|define) properties)|\bitems: missing field|\bmissing items\b/i;

/** A tool with one argument as JSON text is better than none. */
export function toClosedSchemas(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  const isKnown = dialect.without.has('open schemas') || dialect.without.has('tools');
  if (isKnown || !OF_OPEN.test(words)) return undefined;
  if (!takenTools(request, dialect).some(({ parameters }) => !hasProperties(parameters) || isChanged(parameters)))
    return undefined;
  return { dialect: { ...dialect, without: new Set([...dialect.without, 'open schemas']) }, gaveUp: 'open schemas' };
}

function isChanged(parameters: Schema): boolean {
  return JSON.stringify(closedWithin(parameters)) !== JSON.stringify(parameters);
}

/** An object without properties is asked for as text, which is read back. */
export function withClosedSchemas(tool: ToolSchema): ToolSchema {
  return { ...tool, parameters: closedWithin(tool.parameters) };
}

/** Whether a tool takes arguments. Servers that want properties take a tool without a schema if there are none. */
export function hasProperties({ properties }: Schema): boolean {
  return isSchema(properties) && Object.keys(properties).length > 0;
}

function closed(schema: Schema): Schema {
  const types = [schema['type']].flat();
  const [description = ''] = [schema['description']].filter((text) => typeof text === 'string');
  const said = (form: string): string => `${description}${description === '' ? '' : ' '}(${form}, as JSON text)`;
  if (types.includes('object') && !hasProperties(schema)) return { type: 'string', description: said('an object') };
  if (types.includes('array') && !isSchema(schema['items'])) return { ...schema, items: { type: 'string' } };
  return closedWithin(schema);
}

function closedWithin(schema: Schema): Schema {
  const { properties, items } = schema;
  const forms = ['anyOf', 'oneOf', 'allOf'].filter((name) => Array.isArray(schema[name]));
  return {
    ...schema,
    ...(isSchema(properties) ? { properties: mapped(properties) } : {}),
    ...(isSchema(items) ? { items: closed(items) } : {}),
    ...Object.fromEntries(forms.map((name) => [name, (schema[name] as unknown[]).map(closedForm)])),
  };
}

function mapped(properties: Schema): Schema {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, closedForm(schema)]));
}

function closedForm(schema: unknown): unknown {
  return isSchema(schema) ? closed(schema) : schema;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
