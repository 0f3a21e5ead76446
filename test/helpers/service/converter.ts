/** The payload converter of a service: what it writes, only it can read. */
import {
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverterWithEncoding,
  UndefinedPayloadConverter,
} from '@temporalio/common';

const ENCODING = 'service/reversed';
const json = new JsonPayloadConverter();

class ReversedConverter implements PayloadConverterWithEncoding {
  readonly encodingType = ENCODING;

  toPayload(value: unknown): Payload | undefined {
    const payload = json.toPayload(value);
    return (
      payload && {
        metadata: { encoding: new TextEncoder().encode(ENCODING) },
        data: payload.data?.toReversed() ?? null,
      }
    );
  }

  // The interface has this form.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  fromPayload<T>({ data }: Payload): T {
    return json.fromPayload({ data: data?.toReversed() ?? null });
  }
}

export const payloadConverter = new CompositePayloadConverter(new UndefinedPayloadConverter(), new ReversedConverter());
