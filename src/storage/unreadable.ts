/** Payloads that cannot be read here, since a key or a store is missing: what becomes of them. */
import type { Payload, SerializationContext } from '@temporalio/common';
import { CopilotError } from '../contracts/errors.ts';

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

/**
 * What {@link failWhereUsed} said on a worker, found in an error of the server or its causes.
 * @returns undefined where the error is another one
 */
export function unreadableByWorker(error: unknown): CopilotError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const [, name, problem] = FROM_WORKER.exec(cause.message) ?? [];
    if (name === undefined) continue;
    return new CopilotError(
      'InvalidConfig',
      { name, value: '(hidden)', problem: `the worker cannot read what was sent: ${problem}` },
      { cause: error },
    );
  }
  return undefined;
}

/** `InvalidConfig` as its table writes it, behind the words of the SDK's converter. */
const FROM_WORKER = /Unknown encoding: (COPILOT_\w+)=\S* is not valid: (.*)\. Correct or unset/;

/** An undefined value, for readers that can do without. */
export const omit: Unreadable = () => ({ metadata: { encoding: Buffer.from('binary/null') }, data: new Uint8Array() });
