/** Repeats queries that came too early, see {@link ASK_AGAIN}. */
import { type ClientInterceptors, QueryNotRegisteredError, type WorkflowClientInterceptor } from '@temporalio/client';
import { ASK_AGAIN } from '../contracts/early-query.ts';
import { retry } from './retry.ts';

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;
const MAX_ATTEMPTS = 10;

/** The deadline and the signal of the call end this as well. */
const repeatQueries: WorkflowClientInterceptor = {
  query: async (input, next) =>
    await retry(async () => await next(input), {
      firstPauseMs: FIRST_PAUSE_MS,
      maxPauseMs: MAX_PAUSE_MS,
      onFailure: (error, attempt) => {
        const isEarly = error instanceof QueryNotRegisteredError && error.message === ASK_AGAIN;
        if (!isEarly || attempt >= MAX_ATTEMPTS) throw error;
      },
    }),
};

/** Adds the interceptor that repeats queries to those that a client has. */
export function withRepeatedQueries(given: ClientInterceptors = {}): ClientInterceptors {
  const { workflow = [] } = given;
  return {
    ...given,
    workflow: Array.isArray(workflow)
      ? [...workflow, repeatQueries]
      : { ...workflow, calls: [...(workflow.calls ?? []), () => repeatQueries] },
  };
}
