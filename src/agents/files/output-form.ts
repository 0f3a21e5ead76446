/** The form of an agent's answers, which its file can give as a JSON schema. */
import { z } from 'zod';
import { beginningOf } from '../../contracts/text-cut.ts';

/** A form that can check values. */
export interface OutputForm {
  readonly schema: Readonly<Record<string, unknown>>;
  /** What is wrong with a value; undefined if it has the form. */
  check(value: unknown): string | undefined;
}

/** Longest description of a problem. It goes back to the agent. */
const MAX_PROBLEM = 2_000;
/** A session can bring its own team, so the worker must not run regular expressions from it. */
const REFUSED = ['pattern', 'patternProperties'];
/** Their keys are names and not keywords. */
const NAMED_PARTS = ['properties', '$defs', 'definitions'];
/** Their values are data. */
const DATA = ['const', 'enum', 'default', 'examples'];

/** @throws TypeError that says what is wrong with the schema */
export function openOutput(schema: Readonly<Record<string, unknown>>): OutputForm {
  if (schema['type'] !== 'object') throw new TypeError('its type must be "object"');
  const form = convert(schema);
  return {
    schema,
    check(value) {
      const { error } = form.safeParse(value);
      return error && beginningOf(z.prettifyError(error).replaceAll(/\s*\n\s*/g, ' '), MAX_PROBLEM);
    },
  };
}

/**
 * What is wrong with a text that must be JSON of the form.
 * @returns undefined if nothing is
 */
export function checkText(form: OutputForm, text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return beginningOf(`it is not only JSON (${error instanceof Error ? error.message : ''})`, MAX_PROBLEM);
  }
  return form.check(value);
}

function convert(schema: Readonly<Record<string, unknown>>): z.ZodType {
  try {
    const refused = findKeyword(schema);
    if (refused !== undefined) {
      throw new TypeError(`"${refused}" is not supported; describe in a description what a text looks like`);
    }
    return z.fromJSONSchema(schema);
  } catch (error) {
    if (error instanceof TypeError) throw error;
    const problem = error instanceof RangeError ? 'it is nested too deep' : (error as Error).message;
    throw new TypeError(problem, { cause: error });
  }
}

function findKeyword(schema: unknown): string | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  if (Array.isArray(schema)) return first(schema);
  return (
    REFUSED.find((keyword) => Object.hasOwn(schema, keyword)) ??
    first(
      Object.entries(schema).flatMap(([key, part]: [string, unknown]) => {
        if (DATA.includes(key)) return [];
        const isNamed = NAMED_PARTS.includes(key) && typeof part === 'object' && part !== null;
        return isNamed ? Object.values(part) : [part];
      }),
    )
  );
}

function first(parts: readonly unknown[]): string | undefined {
  for (const part of parts) {
    const found = findKeyword(part);
    if (found !== undefined) return found;
  }
  return undefined;
}
