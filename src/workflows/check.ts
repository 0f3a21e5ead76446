/** Checks what comes from outside. Synchronous, since an asynchronous validator never rejects. */
import type { z } from 'zod';
import { toFailure } from '../contracts/errors.ts';

/** @throws InvalidInput that names `what` and the first thing that is wrong with it */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw toFailure('InvalidInput', { what, problem: problemOf(parsed.error) });
  return parsed.data;
}

/** The first problem, with the path of the field. */
export function problemOf(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue ? `${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issue.message}` : 'not valid';
}
