/** What a failed gRPC call says by its status and its typed details. No decision here reads a message. */
import { type ServiceError, status } from '@grpc/grpc-js';
import { isGrpcServiceError, WorkflowUpdateRPCTimeoutOrCancelledError } from '@temporalio/client';
import { statusDetailTypes } from './raw-responses.ts';

/** https://grpc.io/docs/guides/status-codes/ */
const TRANSIENT: readonly number[] = [
  status.CANCELLED,
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
];

/** The gRPC status in an error of the SDK or in its causes. */
export function grpcStatus(error: unknown): number | undefined {
  return serviceError(error)?.code;
}

/** Whether the same call may succeed later. */
export function isTransient(error: unknown): boolean {
  if (isTooLarge(error)) return false;
  return error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || TRANSIENT.includes(grpcStatus(error) ?? -1);
}

/**
 * Whether gRPC refused the request or the response for its size; a retry is refused too. Temporal's own limits have
 * the same status, but always come with details.
 */
export function isTooLarge(error: unknown): boolean {
  const failed = serviceError(error);
  return failed?.code === status.RESOURCE_EXHAUSTED && statusDetailTypes(failed).length === 0;
}

/**
 * Whether the call ran out of time. The server keeps the deadline too and ends the call as cancelled, which a busy
 * process may see first. Callers that cancel calls must look at their signal before they ask.
 */
export function isTimeout(error: unknown): boolean {
  const code = grpcStatus(error);
  return (
    error instanceof WorkflowUpdateRPCTimeoutOrCancelledError ||
    code === status.DEADLINE_EXCEEDED ||
    code === status.CANCELLED
  );
}

/** Whether the server takes no more calls of this kind for now, for example because queries of one session queue up. */
export function isOverloaded(error: unknown): boolean {
  return grpcStatus(error) === status.RESOURCE_EXHAUSTED && !isTooLarge(error);
}

/** Whether a query came before the first workflow task of its run was scheduled. */
export function isNotReady(error: unknown): boolean {
  const failed = serviceError(error);
  return (
    failed !== undefined && statusDetailTypes(failed).includes('temporal.api.errordetails.v1.WorkflowNotReadyFailure')
  );
}

/** The innermost message. The outer ones only say that a call failed. */
export function innermostMessage(error: unknown): string {
  let message = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    // The connections of workers give no details.
    message = (isGrpcServiceError(cause) && cause.details) || cause.message;
  }
  return message;
}

function serviceError(error: unknown): ServiceError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return cause;
  }
  return undefined;
}
