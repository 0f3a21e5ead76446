/**
 * Failures with their message and stack trace in a payload, so that they are encrypted as all payloads are. Named by
 * path, in the worker, in its sandbox and in clients, where there are keys.
 */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
