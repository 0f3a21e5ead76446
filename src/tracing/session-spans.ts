/** Sends the spans that sessions hand out of their sandbox. */
import type { WorkflowInfo } from '@temporalio/workflow';
import type { InjectedSinks } from '@temporalio/worker';
import type { SessionSpan, TraceSink } from '../contracts/trace.ts';
import { parentOf, spanIdOf, type Traces } from './traces.ts';

type TraceSinks = InjectedSinks<TraceSink>;

/** @param opened the worker's traces, when it has opened them */
export function traceSinks(opened: Promise<Traces | undefined>): TraceSinks {
  const fn = async ({ workflowId, runId }: WorkflowInfo, span: SessionSpan): Promise<void> => {
    const traces = await opened.catch(() => undefined);
    if (traces) sendSpan(traces, { workflowId, runId }, span);
  };
  return { copilotTraces: { spanEnded: { fn, callDuringReplay: false } } };
}

/** For workers that only replay. */
export const NO_TRACES: TraceSinks = traceSinks(Promise.resolve(undefined));

function sendSpan(
  traces: Traces,
  { workflowId, runId }: Pick<WorkflowInfo, 'workflowId' | 'runId'>,
  { operation, subject, part, startedAt, endedAt, error, attributes = {}, ...turn }: SessionSpan,
): void {
  const isPerson = operation === 'await_person';
  const span = traces.begin({
    name: `${operation} ${subject}`,
    parent: parentOf(workflowId, turn, part === '' ? undefined : ''),
    spanId: spanIdOf(workflowId, turn, part),
    startedAt: new Date(startedAt),
    attributes: {
      ...(isPerson
        ? { 'copilot.request.kind': subject }
        : { 'gen_ai.operation.name': operation, 'gen_ai.agent.name': subject }),
      'gen_ai.conversation.id': workflowId,
      'copilot.turn.id': turn.turnId,
      'temporal.workflow.id': workflowId,
      'temporal.run.id': runId,
      ...attributes,
    },
  });
  if (error !== undefined) span.fail(error);
  span.end(new Date(endedAt));
}
