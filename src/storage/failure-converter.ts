/**
 * Puts message and stack trace of failures into a payload, which is encrypted like all payloads. If there are keys,
 * worker, sandbox and clients load this module by its path.
 */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
