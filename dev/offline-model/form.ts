/** Text in the form that a JSON schema asks for, as far as a team's `output` needs it to be tried. */
import { isRecord } from '../../src/models/reading/call-syntax.ts';

/** Forms that contain themselves end here. */
const MAX_DEPTH = 8;

/** The text in every string, its first number in every number, and one item in every list. */
export function fillForm(given: unknown, text: string, depth = 0): unknown {
  const schema = isRecord(given) ? given : {};
  if (Array.isArray(schema['enum'])) return schema['enum'][0];
  const number = Number(/-?\d+(?:\.\d+)?/.exec(text)?.[0] ?? 0);
  switch (schema['type']) {
    case 'string':
      return text;
    case 'number':
      return number;
    case 'integer':
      return Math.round(number);
    case 'boolean':
      return true;
    case 'array':
      return depth < MAX_DEPTH && schema['items'] !== undefined ? [fillForm(schema['items'], text, depth + 1)] : [];
    case 'object':
      return depth < MAX_DEPTH && isRecord(schema['properties'])
        ? Object.fromEntries(
            Object.entries(schema['properties']).map(([key, part]) => [key, fillForm(part, text, depth + 1)]),
          )
        : {};
    default:
      return null;
  }
}
