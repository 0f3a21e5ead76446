/** What the SDK logs about our activities, such as attempts that failed, says which session, turn and step it is of. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { z } from 'zod';

/** Of the inputs of activities that belong to a turn. */
const Place = z.object({ turnId: z.string(), step: z.int().optional() });

/** Leaves the activities of a service alone. */
export const nameSessions: ActivityInterceptorsFactory = ({ info: { activityType, workflowExecution } }) => {
  if (!activityType.startsWith('copilot')) return {};
  let place: Readonly<Record<string, string | number>> = {};
  return {
    inbound: {
      execute: async (input, next) => {
        const { data } = Place.safeParse(input.args[0]);
        if (data) place = { turn: data.turnId, ...(data.step === undefined ? {} : { step: data.step }) };
        return await next(input);
      },
    },
    outbound: {
      getLogAttributes: (attributes, next) =>
        next({ ...attributes, session: workflowExecution?.workflowId ?? '', ...place }),
    },
  };
};
