/** Checks what comes from outside. Synchronous, since an asynchronous validator never rejects. */
import type { z } from 'zod';
import { toFailure } from '../contracts/errors.ts';
import { issueText } from '../contracts/issue-text.ts';
import { shortenText } from '../contracts/text-cut.ts';

/** Levels of a message. Values of the context have at most 64, and a snapshot's patch up to three for each of them. */
const MAX_DEPTH = 256;
/**
 * Values of a message. A schema may find a problem in each, and the sandbox stops code that runs for 5 s. A context of
 * 256 KiB with its snapshots has at most 262,144.
 */
const MAX_VALUES = 300_000;
/** Text of a problem. It contains names that the sender chose, and stands in notes and histories. */
const MAX_PROBLEM_TEXT = 300;

/** @throws InvalidInput that names `what` and the first thing that is wrong with it */
export function check<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) throw toFailure('InvalidInput', { what, problem: describeIssue(parsed.error) });
  return parsed.data;
}

/** What became of a message that anyone may have sent. */
type Received<T> = { readonly data: T; readonly problem?: never } | { readonly problem: string };

/** Checks what anybody may have sent. Its size and depth come first, since they could be too much for a schema. */
export function receive<Schema extends z.ZodType>(schema: Schema, value: unknown): Received<z.output<Schema>> {
  const problem = shapeProblem(value);
  if (problem !== undefined) return { problem };
  const parsed = schema.safeParse(value, { reportInput: true });
  return parsed.success ? { data: parsed.data } : { problem: describeIssue(parsed.error) };
}

/** Like {@link receive}, for a sender that hears of the problem. @throws InvalidInput, as {@link check} */
export function accept<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const received = receive(schema, value);
  if (received.problem !== undefined) throw toFailure('InvalidInput', { what, problem: received.problem });
  return received.data;
}

/** The first problem, with the path of the field. */
export function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'not valid';
  const text = `${issue.path.length > 0 ? `${issue.path.join('.')}: ` : ''}${issueText(issue, 'input' in issue ? issue.input : null)}`;
  return shortenText(text, MAX_PROBLEM_TEXT);
}

/**
 * What is too large or too deep for a schema. It looks level by level: a recursive function would run out of stack on the
 * values that this refuses.
 */
export function shapeProblem(value: unknown): string | undefined {
  let level = [value];
  let values = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH} levels`;
    values += level.length;
    if (values > MAX_VALUES) return `it holds more than ${MAX_VALUES} values`;
    level = level.flatMap((item): unknown[] => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return undefined;
}
