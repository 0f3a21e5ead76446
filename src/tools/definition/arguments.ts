/** The arguments of a call, as a model writes them: JSON text becomes the validated input of a tool. */
import type { z } from 'zod';
import { nearest } from '../nearest.ts';
import { refusal } from '../refusal.ts';
import type { Tool } from './tool.ts';

/**
 * Validates the arguments of a call. Where null is not allowed it counts as a missing field, because models send both.
 * @throws CopilotError `ToolFailed` with every field that is wrong and what it should be
 */
export async function parseArguments(tool: Tool, text: string): Promise<unknown> {
  const fields = fieldsOf(tool.schema);
  const required = fields.filter((field) => field.required).map(({ name, type }) => [name, `<${type}>`]);
  const given = parseObject(tool.name, text, JSON.stringify(Object.fromEntries(required)));
  let parsed = await check(tool, given);
  if (!parsed.success) parsed = await check(tool, withoutNulls(given, parsed.error.issues));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => describeIssue(issue, fields));
  const expected = fields.map(({ name, type, required: isRequired }) => {
    return `${name} (${type}${isRequired ? '' : ', optional'})`;
  });
  throw refusal(
    { tool: tool.name },
    `the arguments do not fit: ${problems.join('; ')}. The fields are: ${expected.join(', ')}. Call it again with these corrected.`,
  );
}

/**
 * Parses the arguments of a call into an object. Empty text counts as `{}`, because models send both.
 * @param example arguments that an error message suggests
 * @throws CopilotError `ToolFailed`
 */
export function parseObject(
  tool: string,
  text: string,
  example?: string,
  parse: (text: string) => unknown = JSON.parse,
): Record<string, unknown> {
  let reason = 'it is not an object';
  try {
    const value: unknown = parse(text.trim() || '{}');
    // An object parsed from JSON has only string keys.
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  const hint = example === undefined ? '' : `, for example, ${example}`;
  throw refusal({ tool }, `the arguments are not one JSON object (${reason}). Call it again with an object${hint}.`);
}

async function check(tool: Tool, given: unknown): Promise<z.ZodSafeParseResult<unknown>> {
  try {
    // Without `reportInput` an issue does not tell a missing field from one of the wrong type.
    return await tool.parameters.safeParseAsync(given, { reportInput: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw refusal({ tool: tool.name }, `the arguments cannot be checked: ${reason}. Call it again with others.`);
  }
}

/** Without the fields whose null is one of these problems. */
function withoutNulls(given: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy = structuredClone(given);
  for (const issue of issues) {
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    for (const path of paths) {
      const holder = path.slice(0, -1).reduce<unknown>(memberOf, copy);
      const key = path.at(-1);
      if (key !== undefined && memberOf(holder, key) === null && !Array.isArray(holder)) {
        Reflect.deleteProperty(holder as object, key); // it has a member
      }
    }
  }
  return copy;
}

function memberOf(holder: unknown, key: PropertyKey): unknown {
  if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, key)) return undefined;
  return (holder as Readonly<Record<PropertyKey, unknown>>)[key];
}

interface Field {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
}

function fieldsOf({ properties = {}, required = [] }: Tool['schema']): Field[] {
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    type:
      typeof schema === 'boolean'
        ? 'any'
        : (schema.enum?.map((value) => JSON.stringify(value)).join(' | ') ?? [schema.type ?? 'any'].flat().join(' | ')),
    required: required.includes(name),
  }));
}

function describeIssue(issue: z.core.$ZodIssue, fields: readonly Field[]): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .map((key) => {
        const near = nearest(
          key,
          fields.map(({ name }) => name),
        );
        return `there is no field ${JSON.stringify(key)}${near === undefined ? '' : ` (did you mean "${near}"?)`}`;
      })
      .join('; ');
  }
  const name = issue.path.join('.');
  if (issue.code === 'invalid_type' && issue.input === undefined) {
    const field = fields.find((candidate) => candidate.name === name);
    return `"${name}" is missing (${field?.type ?? issue.expected})`;
  }
  return `"${name}": ${issue.message}`;
}
