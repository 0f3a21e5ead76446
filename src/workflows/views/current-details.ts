/** Writes the `Current Details` of the Web UI when somebody asks for them. At each change it would cost far more. */
import { setCurrentDetails, type WorkflowInterceptors, workflowMetadataQuery } from '@temporalio/workflow';
import type { LiveSession } from '../session/live-session.ts';
import { detailsMarkdown } from './details.ts';

type Internals = NonNullable<WorkflowInterceptors['internals']>[number];

/** The session of this sandbox. */
let shown: LiveSession | undefined;

export function showDetails(session: LiveSession): void {
  shown = session;
}

/** The SDK answers this query itself, from what was set last, without calling query interceptors. */
export const detailsInterceptor: Internals = {
  activate: (input, next) => {
    const isAsked = input.activation.jobs?.some(
      ({ queryWorkflow }) => queryWorkflow?.queryType === workflowMetadataQuery.name,
    );
    if (isAsked && shown) {
      const { info, state } = shown;
      setCurrentDetails(detailsMarkdown(info, state.current ?? state.recent.at(-1)));
    }
    next(input);
  },
};
