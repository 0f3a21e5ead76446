/** How a service's data travels: by a converter and a codec of its own; and where its workflows are. */
import { fileURLToPath } from 'node:url';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';

export const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));

const MASK = 0x5a;

const masked = (payloads: Payload[]): Promise<Payload[]> =>
  Promise.resolve(payloads.map((payload) => ({ ...payload, data: payload.data?.map((byte) => byte ^ MASK) ?? null })));

const codec: PayloadCodec = { encode: masked, decode: masked };

export const serviceDataConverter: DataConverter = {
  payloadConverterPath: fileURLToPath(new URL('converter.ts', import.meta.url)),
  payloadCodecs: [codec],
};
