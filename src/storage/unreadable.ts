/** What becomes of payloads that cannot be read here, since a key or a store is missing. */
import type { Payload, SerializationContext } from '@temporalio/common';
import type { CopilotError } from '../contracts/errors.ts';
import { toStandIn } from '../contracts/payload-converter.ts';

/**
 * Gives what takes the place of a payload that cannot be read, or throws.
 * @param context whose payload it is, if that is known
 */
export type Unreadable = (problem: CopilotError, context?: SerializationContext) => Payload;

/** For clients: throws the problem. */
export const refuse: Unreadable = (problem) => {
  throw problem;
};

/** For workers: reading the value throws the problem. Another worker may have the key or the store that this one lacks. */
export const failWhereUsed: Unreadable = ({ type, details }) =>
  toStandIn({ type, details, isLocal: type !== 'InvalidInput' });

/** For readers that can do without the value: it becomes undefined. */
export const omit: Unreadable = () => ({ metadata: { encoding: Buffer.from('binary/null') }, data: new Uint8Array() });
