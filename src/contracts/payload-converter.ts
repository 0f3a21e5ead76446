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

const encoder = new TextEncoder();
const JSON_ENCODING = encoder.encode('json/plain');
// Like the SDK's decoder, this one keeps a byte order mark.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The same payloads as the SDK's, which turns text into bytes in JavaScript. The platform takes a quarter of that time. */
class NativeJsonConverter extends JsonPayloadConverter {
  override toPayload(value: unknown): Payload | undefined {
    const json = jsonOf(value);
    return json === undefined ? undefined : { metadata: { encoding: JSON_ENCODING }, data: encoder.encode(json) };
  }

  override fromPayload({ data }: Payload): never {
    if (data === undefined || data === null) throw new ValueError('Got payload with no data');
    return JSON.parse(decoder.decode(data)) as never; // each caller has its own type for it
  }
}

/** Undefined for what is no JSON, such as a function or a value within itself. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

export const payloadConverter = new CompositePayloadConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new NativeJsonConverter(),
  new StandInConverter(),
);
