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
  type ConverterHint,
  defaultPayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverter,
  type PayloadConverterWithEncoding,
  type SerializationContext,
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
    // Empty data arrives as an array, which the decoder does not take.
    const bytes = ArrayBuffer.isView(data) ? data : Uint8Array.from(data);
    return JSON.parse(decoder.decode(bytes)) as never; // each caller has its own type for it
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

class SessionConverter extends CompositePayloadConverter {
  readonly #readAhead = new WeakMap<Payload, unknown>();

  /** Parses a payload and keeps the value for the next `fromPayload`: to parse it twice costs the sandbox much time. */
  readAhead(payload: Payload): void {
    this.#readAhead.set(payload, this.fromPayload(payload));
  }

  override fromPayload<T>(payload: Payload, context?: SerializationContext, hint?: ConverterHint<T>): T {
    if (!this.#readAhead.has(payload)) return super.fromPayload(payload, context, hint);
    const value = this.#readAhead.get(payload) as T; // what this method made of the same payload
    // Who reads it may change it.
    this.#readAhead.delete(payload);
    return value;
  }
}

export const payloadConverter = new SessionConverter(
  new UndefinedPayloadConverter(),
  new BinaryPayloadConverter(),
  new NativeJsonConverter(),
  new StandInConverter(),
);

/** Whether a payload can be read. @throws what reading it throws */
export function tryToRead(converter: PayloadConverter, payload: Payload): void {
  if (converter instanceof SessionConverter) converter.readAhead(payload);
  else converter.fromPayload(payload);
}
