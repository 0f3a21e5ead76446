/** What a schema finds wrong with a value, in words that do not ask for any knowledge of the schema. */
import type { z } from 'zod';

/** How messages that the library writes begin. All others are ours, and good as they are. */
const WRITTEN_BY_LIBRARY = /^(?:Invalid|Too (?:small|big)|Unrecognized)\b/;
const MAX_NAMED_VALUES = 20;

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object (keys with values)',
  record: 'an object (keys with values)',
};

/**
 * What is wrong, as the end of a sentence that has named the value, such as `it must be at least 1`.
 * @param value the value that the issue is about; undefined if it is missing
 */
export function issueText(issue: z.core.$ZodIssue, value: unknown): string {
  if (!WRITTEN_BY_LIBRARY.test(issue.message)) return issue.message;
  if (value === undefined) return 'it is missing';
  switch (issue.code) {
    case 'invalid_type':
      return `it must be ${TYPES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return issue.values.length > MAX_NAMED_VALUES ? issue.message : `it must be ${choiceOf(issue.values)}`;
    case 'too_small':
      return boundText(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return boundText(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
    case 'invalid_format':
      return issue.format === 'url' ? 'it must be a whole address, such as https://example.org/' : issue.message;
    case 'unrecognized_keys':
      return `it has no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    default:
      return issue.message;
  }
}

function choiceOf(values: readonly z.core.util.Primitive[]): string {
  const names = values.map((value) => (typeof value === 'string' ? `"${value}"` : String(value)));
  const last = names.pop();
  return names.length === 0 ? (last ?? '') : `${names.join(', ')} or ${last}`;
}

function boundText(origin: string, than: string, bound: number | bigint): string {
  const units = { string: 'character', array: 'entry', set: 'entry', map: 'entry' }[origin];
  if (units === undefined) return `it must be ${than} ${bound}`;
  if (than === 'at least' && Number(bound) === 1) return 'it is empty';
  return `it must have ${than} ${bound} ${Number(bound) === 1 ? units : units.replace(/y$/, 'ie').concat('s')}`;
}
