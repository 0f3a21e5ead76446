/** Writes the `Current Details` of the Web UI when somebody asks for them. At each change it would cost far more. */
import { setCurrentDetails, type WorkflowInterceptors, workflowMetadataQuery } from '@temporalio/workflow';
import { runKey } from '../sdk-internals.ts';
import type { LiveSession } from '../session/live-session.ts';
import { detailsMarkdown } from './details.ts';

type Internals = NonNullable<WorkflowInterceptors['internals']>[number];

/** The sessions that are open here, by their run. All of them share this module. */
const open = new WeakMap<object, LiveSession>();

export function showDetails(session: LiveSession): void {
  open.set(runKey(), session);
}

/** The SDK answers this query itself, from what was set last, without calling query interceptors. */
export const detailsInterceptor: Internals = {
  activate: (input, next) => {
    const isAsked = input.activation.jobs?.some(
      ({ queryWorkflow }) => queryWorkflow?.queryType === workflowMetadataQuery.name,
    );
    const session = isAsked ? open.get(runKey()) : undefined;
    if (session) {
      const { info, state } = session;
      setCurrentDetails(detailsMarkdown(info, state.current ?? state.recent.at(-1)));
    }
    next(input);
  },
};
