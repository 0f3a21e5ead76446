/**
 * The SDK's payload converter with one more encoding: a stand-in for a payload that cannot be read.
 *
 * A worker that lacks the key or the store of a payload puts a stand-in in its place, and reading that throws. So an
 * update with such an argument is refused, instead of failing the whole workflow task, and a value that the session
 * itself needs fails the task, which another worker can take.
 *
 * Worker and sandbox load this module by its path.
 */
import {
  BinaryPayloadConverter,
  CompositePayloadConverter,
  defaultPayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverterWithEncoding,
  UndefinedPayloadConverter,
  ValueError,
} from '@temporalio/common';
import { type ErrorDetails, type ErrorType, toFailure } from './errors.ts';

/** What a stand-in says of the payload that it stands for. */
export interface StandIn {
  readonly type: ErrorType;
  readonly details: ErrorDetails;
  /** Whether another worker may be able to read the payload. */
  readonly isLocal: boolean;
}

const ENCODING = 'copilot/stand-in';

export function toStandIn(standIn: StandIn): Payload {
  const metadata = { encoding: new TextEncoder().encode(ENCODING) };
  return { ...defaultPayloadConverter.toPayload(standIn), metadata };
}

/** Thrown where a stand-in is read. Its cause is the failure that clients translate. */
export class UnreadablePayload extends ValueError {
  readonly isLocal: boolean;

  constructor({ type, details, isLocal }: StandIn) {
    const problem = `${isLocal ? 'the worker cannot read what was sent: ' : ''}${details['problem']}`;
    const failure = toFailure(type, { ...details, problem });
    super(failure.message, failure);
    this.isLocal = isLocal;
  }
}

class StandInConverter implements PayloadConverterWithEncoding {
  readonly encodingType = ENCODING;

  toPayload(): undefined {
    return undefined;
  }

  fromPayload({ data }: Payload): never {
    throw new UnreadablePayload(new JsonPayloadConverter().fromPayload({ ...(data ? { data } : {}) }));
  }
}

export const payloadConverter = new CompositePayloadConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new JsonPayloadConverter(),
  new StandInConverter(),
);
