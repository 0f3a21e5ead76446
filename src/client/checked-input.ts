/** Checks the arguments of callers before anything is sent. */
import type { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import { issueText } from '../contracts/issue-text.ts';
import { utf8Bytes } from '../contracts/utf8.ts';
import { MAX_PAYLOAD_BYTES } from '../contracts/limits.ts';
import { beginningOf, shortenText } from '../contracts/text-cut.ts';

const MAX_SHOWN = 80;
/** A problem may quote names that the caller chose. */
const MAX_PROBLEM_TEXT = 300;

/**
 * The value as the schema parses it.
 * @throws CopilotError `InvalidInput` that names the field and the value
 */
export function checkInput<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = parseDeep(schema, value, what);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path ?? [];
  // A field of options is named by itself, a field inside a value by its path.
  const name = [what, ...path.map(String)].filter((part) => part !== '').join('.');
  throw new CopilotError('InvalidInput', {
    what: `${name || 'options'} (${shown(valueAt(value, path))})`,
    problem: beginningOf(issue === undefined ? 'not valid' : issueText(issue, valueAt(value, path)), MAX_PROBLEM_TEXT),
  });
}

/**
 * Checks the size, which may be more than the server accepts.
 * @throws CopilotError `InvalidInput` with the size
 */
export function checkSize(value: unknown, what: string): void {
  const json = JSON.stringify({ value });
  // A UTF-16 unit is at most three bytes long in UTF-8.
  if (3 * json.length <= MAX_PAYLOAD_BYTES) return;
  const bytes = utf8Bytes(json);
  if (bytes <= MAX_PAYLOAD_BYTES) return;
  const problem = `it is ${bytes} bytes long as JSON, more than the ${MAX_PAYLOAD_BYTES} allowed; keep large data in files`;
  throw new CopilotError('InvalidInput', { what, problem });
}

function parseDeep<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.ZodSafeParseResult<z.output<Schema>> {
  try {
    return schema.safeParse(value);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CopilotError('InvalidInput', { what: what || 'input', problem: 'it is nested too deeply' }, { cause });
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined, // any key may be asked of an object
    value,
  );
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(beginningOf(value, MAX_SHOWN + 1)) : describe(value);
  return shortenText(text, MAX_SHOWN);
}

function describe(value: unknown): string {
  try {
    return JSON.stringify(value) ?? typeof value;
  } catch {
    return typeof value;
  }
}
