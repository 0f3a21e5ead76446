/** Decodes what the SDK's client gives undecoded: heartbeats, failures of pending work, history events, error details. */
import type { ServiceError } from '@grpc/grpc-js';
import type { Client } from '@temporalio/client';
import type { Payload, ProtoFailure, SerializationContext } from '@temporalio/common';
import {
  decodeFailure,
  decodePayloadAt,
  getGrpcStatusDetails,
  storedPayloads,
  trimGrpcTypeUrl,
  visitPayloads,
  walkHistory,
} from '../storage/sdk-internals.ts';

type Decoder = Pick<Client, 'options'>;
type HistoryResponse = Parameters<typeof walkHistory>[0];

/** The first of the payloads, decoded by the client's data converter. Undefined if there is none. */
export async function decodeFirstPayload(
  { options }: Decoder,
  payloads: readonly Payload[] | null | undefined,
  context: SerializationContext,
): Promise<unknown> {
  if (!payloads || payloads.length === 0) return undefined;
  return await decodePayloadAt<unknown>(options.loadedDataConverter, 0, [...payloads], context);
}

/** The error in a failure, decoded by the client's data converter. */
export async function decodeRawFailure(
  { options }: Decoder,
  failure: ProtoFailure | null | undefined,
  context?: SerializationContext,
): Promise<Error | undefined> {
  return await decodeFailure(options.loadedDataConverter, failure, context);
}

/** Replaces references to the payload store in a page of a history by the payloads themselves. */
export async function loadStoredPayloads({ options }: Decoder, response: HistoryResponse): Promise<void> {
  await visitPayloads(response, walkHistory, storedPayloads(options.loadedDataConverter.externalStorage));
}

/** Message types of an error's details, such as `temporal.api.errordetails.v1.WorkflowNotReadyFailure`. */
export function statusDetailTypes(error: ServiceError): string[] {
  return (getGrpcStatusDetails(error) ?? []).map(({ type_url }) => trimGrpcTypeUrl(type_url));
}
