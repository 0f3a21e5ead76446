/** Whether a worker takes tasks now. */
import type { ConnectionLike } from '@temporalio/client';
import type { Worker } from '@temporalio/worker';
import { type Readiness, STARTING } from '../operator-port.ts';
import { answers } from '../connection/server-answers.ts';

/** @returns what keeps it from taking tasks: it has not begun, it stops, or its server is away */
export function readinessOf(worker: Pick<Worker, 'getState'>, connection: ConnectionLike): Readiness {
  return async () => {
    const state = worker.getState();
    if (state === 'INITIALIZED') return STARTING;
    if (state !== 'RUNNING') return 'it stops';
    return (await answers(connection)) ? undefined : 'the Temporal server does not answer';
  };
}
