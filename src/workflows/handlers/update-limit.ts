/**
 * Reserves the last updates that Temporal takes in a run for those that end what holds the run up. A session goes on in a
 * new run long before, but not in the middle of a call of a model or a tool, which may take hours.
 */
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import { changeStatus, decide, interrupt, unqueue, awaitTurn } from '../../contracts/messages.ts';

/** Temporal takes 2,000 in a run. 1,000 updates make about 4,000 events, which a cold worker replays in seconds. */
const MAX_UPDATES = 1_000;
const ALWAYS = new Set([interrupt, changeStatus, decide, unqueue].map(({ name }) => name));

type Inbound = NonNullable<WorkflowInterceptors['inbound']>[number];

/** A refused update adds nothing to the history, and replays do not see it. */
export function limitUpdates(): Inbound {
  let accepted = 0;
  return {
    validateUpdate: (input, next) => {
      if (accepted >= MAX_UPDATES && !ALWAYS.has(input.name)) throw refusal(input.name, accepted);
      next(input);
    },
    handleUpdate: (input, next) => {
      accepted += 1;
      return next(input);
    },
  };
}

function refusal(name: string, accepted: number): Error {
  // The client then polls the turn.
  if (name === awaitTurn.name) return toFailure('TooManyWaiting', {});
  return toFailure('WrongState', {
    needs: 'between two turns',
    status: `in the middle of one, and took ${accepted} changes and messages meanwhile`,
    wayOut: 'Repeat this when the turn has ended, or interrupt it.',
  });
}
