/** Payloads that cannot be read here, since a key or a store is missing: what becomes of them. */
import type { Payload, SerializationContext } from '@temporalio/common';
import type { CopilotError } from '../contracts/errors.ts';

/**
 * Gives what takes the place of a payload that cannot be read, or throws.
 * @param context whose it is, where that is known
 */
export type Unreadable = (problem: CopilotError, context?: SerializationContext) => Payload;

/** Whoever asked hears of it. */
export const refuse: Unreadable = (problem) => {
  throw problem;
};

/**
 * A payload that fails where it is used, with the problem in the message ("Unknown encoding: …"). On a worker that
 * matters: an update with such an argument is refused, instead of holding up the session's whole task, and what the
 * session itself needs fails the task, which another worker may take.
 */
export function failWhereUsed(problem: CopilotError): Payload {
  return { metadata: { encoding: Buffer.from(problem.message) }, data: new Uint8Array() };
}

/** An undefined value, for readers that can do without. */
export const omit: Unreadable = () => ({ metadata: { encoding: Buffer.from('binary/null') }, data: new Uint8Array() });
