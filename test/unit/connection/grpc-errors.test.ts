/** Errors are told apart by their gRPC status and typed details, whatever their message says. */
import assert from 'node:assert/strict';
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import proto from '@temporalio/proto';
import {
  grpcStatus,
  innermostMessage,
  isNotReady,
  isTimeout,
  isTooLarge,
  isTransient,
} from '../../../src/connection/grpc-errors.ts';

/** An error as gRPC gives it, with the detail that Temporal's server sends along. */
function failed(code: status, detail?: string): ServiceError {
  const metadata = new Metadata();
  if (detail !== undefined) {
    const details = [{ type_url: `type.googleapis.com/temporal.api.errordetails.v1.${detail}`, value: Buffer.of() }];
    metadata.set('grpc-status-details-bin', Buffer.from(proto.google.rpc.Status.encode({ code, details }).finish()));
  }
  return Object.assign(new Error('any words'), { code, details: 'any words', metadata });
}

describe('errors of gRPC', () => {
  it('have their status also as a cause', () => {
    assert.equal(grpcStatus(failed(status.UNAVAILABLE)), 14);
    assert.equal(grpcStatus(new Error('outer', { cause: failed(status.NOT_FOUND) })), 5);
    assert.equal(grpcStatus(new Error('none')), undefined);
  });

  it('of size are told apart from limits that a retry waits out', () => {
    assert.equal(isTooLarge(failed(status.RESOURCE_EXHAUSTED)), true);
    assert.equal(isTransient(failed(status.RESOURCE_EXHAUSTED)), false);
    const limit = failed(status.RESOURCE_EXHAUSTED, 'ResourceExhaustedFailure');
    assert.equal(isTooLarge(limit), false);
    assert.equal(isTransient(limit), true);
  });

  it('of a run that has not begun are known by their detail', () => {
    assert.equal(isNotReady(failed(status.FAILED_PRECONDITION, 'WorkflowNotReadyFailure')), true);
    assert.equal(isNotReady(failed(status.FAILED_PRECONDITION, 'QueryFailedFailure')), false);
    assert.equal(isNotReady(failed(status.FAILED_PRECONDITION)), false);
    assert.equal(isNotReady(new Error('Workflow task is not scheduled yet.')), false);
  });

  it('of time are those of either end', () => {
    for (const code of [status.DEADLINE_EXCEEDED, status.CANCELLED]) assert.equal(isTimeout(failed(code)), true);
    for (const code of [status.UNAVAILABLE, status.NOT_FOUND]) assert.equal(isTimeout(failed(code)), false);
  });

  it('give the innermost message', () => {
    assert.equal(innermostMessage(new Error('outer', { cause: failed(status.UNAVAILABLE) })), 'any words');
    assert.equal(innermostMessage(new Error('outer', { cause: new Error('inner') })), 'inner');
    assert.equal(innermostMessage('text'), 'text');
  });
});
