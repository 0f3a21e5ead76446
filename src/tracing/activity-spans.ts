/** Spans of activities, and of the models and tools that they call: https://github.com/open-telemetry/semantic-conventions-genai */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attributes } from '@opentelemetry/api';
import type { Info } from '@temporalio/activity';
import { CopilotError } from '../contracts/errors.ts';
import type { TracedTurn } from '../contracts/trace.ts';
import { parentOf, type OpenSpan, type Traces } from './traces.ts';

/** The activity that runs. */
interface Traced {
  readonly traces: Traces;
  readonly span: OpenSpan;
  /** Ends the spans below. They are sent together with the activity's own, so that none of them lacks its parent. */
  readonly ends: (() => void)[];
}

const running = new AsyncLocalStorage<Traced>();

/** Runs an activity in a span of its attempt. */
export async function traceActivity<T>(
  traces: Traces | undefined,
  { activityType, activityId, attempt, taskQueue, workflowExecution }: Info,
  turn: TracedTurn & { readonly agent?: string; readonly step?: number },
  work: () => Promise<T>,
): Promise<T> {
  if (!traces || !workflowExecution) return await work();
  const { workflowId, runId } = workflowExecution;
  const span = traces.begin({
    name: activityType,
    parent: parentOf(workflowId, turn, partOf(activityType, activityId, turn)),
    attributes: {
      'gen_ai.conversation.id': workflowId,
      'copilot.turn.id': turn.turnId,
      ...(turn.step === undefined ? {} : { 'copilot.step': turn.step }),
      ...(turn.agent === undefined ? {} : { 'gen_ai.agent.name': turn.agent }),
      'temporal.workflow.id': workflowId,
      'temporal.run.id': runId,
      'temporal.activity.id': activityId,
      'temporal.activity.attempt': attempt,
      'temporal.task_queue': taskQueue,
    },
  });
  const ends: (() => void)[] = [];
  try {
    return await running.run({ traces, span, ends }, work);
  } catch (error) {
    span.fail(errorTypeOf(error));
    throw error;
  } finally {
    for (const end of ends) end();
    span.end();
  }
}

/** A span below that of the running activity. */
export interface CallSpan {
  /** Whether it may have what people, models and tools say. */
  readonly withContent: boolean;
  set(attributes: Attributes): void;
}

/** Runs `work` in a span of its own, or without one if nothing is traced. */
export async function traceCall<T>(
  start: () => { readonly name: string; readonly isClient?: boolean; readonly attributes: Attributes },
  work: (span: CallSpan | undefined) => Promise<T>,
): Promise<T> {
  const traced = running.getStore();
  if (!traced) return await work(undefined);
  const { traces, ends } = traced;
  const span = traces.begin({ ...start(), parent: traced.span.asParent });
  try {
    return await work({ withContent: traces.withContent, set: (attributes) => span.set(attributes) });
  } catch (error) {
    span.fail(errorTypeOf(error));
    throw error;
  } finally {
    const endedAt = new Date();
    ends.push(() => span.end(endedAt));
  }
}

/** The part of the turn that the activity belongs to, by its id: `turn-4/step-2/1` is a round of `turn-4/step-2`. */
function partOf(activityType: string, activityId: string, { turnId }: TracedTurn): string | undefined {
  const [turn, ...parts] = activityId.split('/');
  if (turn !== turnId) return turnId.startsWith('turn-') ? '' : undefined;
  return ROUNDS.includes(activityType) ? parts[0] : parts.join('/');
}

/** Activities that are a part of what an agent does. Others are all of it. */
const ROUNDS = ['copilotRunAgent', 'copilotRunTool', 'copilotSettleTool'];

function errorTypeOf(error: unknown): string {
  // A failure on its way to the workflow has the same types.
  if (error instanceof CopilotError) return error.type;
  if (error instanceof Error && 'type' in error && typeof error.type === 'string') return error.type;
  return error instanceof Error ? error.name : '_OTHER';
}
