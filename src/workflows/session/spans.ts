/**
 * The spans that only a session knows: turns, what their agents do, and waiting for people. They leave the sandbox
 * through a sink, so history has nothing of them. Activities find the parents of their own spans by the same names.
 */
import { proxySinks, workflowInfo } from '@temporalio/workflow';
import type { RunningTurn, RunningWork } from '../../contracts/session-state.ts';
import type { OpenRequest, Verdict } from '../../contracts/request.ts';
import type { SessionSpan, TracedTurn, TraceSink } from '../../contracts/trace.ts';

const { copilotTraces } = proxySinks<TraceSink>();

type TurnNames = Pick<RunningTurn, 'id'> & Partial<Pick<RunningTurn, 'trace' | 'takenUp' | 'isUntraced'>>;

/** What activities and sinks need to name the spans of a turn. */
export function tracedTurn({ id, trace, takenUp = 0 }: TurnNames): TracedTurn {
  return { turnId: id, ...(trace === undefined ? {} : { trace }), ...(takenUp === 0 ? {} : { takenUp }) };
}

function end(turn: TurnNames, span: Omit<SessionSpan, keyof TracedTurn | 'endedAt'>): void {
  // The worker would drop them. With each, the SDK copies all that it knows of the run, twice.
  if (turn.isUntraced || workflowInfo().unsafe.isReplaying) return;
  copilotTraces.spanEnded({ ...tracedTurn(turn), ...span, endedAt: new Date().toISOString() });
}

export function endTurnSpan(turn: RunningTurn, team: string): void {
  const { state, startedAt, route, usage } = turn;
  const { inputTokens, outputTokens } = usage;
  end(turn, {
    operation: 'invoke_workflow',
    subject: team,
    part: '',
    startedAt: startedAt ?? new Date().toISOString(),
    ...(state.status === 'failed' ? { error: state.error.type } : {}),
    attributes: {
      'copilot.turn.number': turn.number,
      'copilot.turn.status': state.status,
      ...(route === null ? {} : { 'copilot.turn.route': route.kind }),
      'gen_ai.usage.input_tokens': inputTokens,
      'gen_ai.usage.output_tokens': outputTokens,
    },
  });
}

/** A step, a direct answer or a final answer, with all its rounds. */
export function endWorkSpan(turn: RunningTurn, { part, agent, phase, step: number }: RunningWork): void {
  const step = turn.steps.find((one) => one.number === number);
  // A final answer begins when the last step has ended.
  const after = phase === 'answer' ? turn.steps.findLast((one) => one.endedAt !== undefined)?.endedAt : undefined;
  const startedAt = step?.startedAt ?? after ?? turn.startedAt ?? new Date().toISOString();
  const attributes = number === undefined ? {} : { 'copilot.step': number };
  end(turn, { operation: 'invoke_agent', subject: agent, part, startedAt, attributes });
}

/** A call that is one model's answer in a given form: a route, a plan or a review. */
export function endCallSpan(turn: RunningTurn, agent: string, activityId: string, startedAt: string): void {
  const part = activityId.slice(turn.id.length + 1);
  end(turn, { operation: /^plan\b/.test(part) ? 'plan' : 'invoke_agent', subject: agent, part, startedAt });
}

/** @param turn the one that asked */
export function endRequestSpan(
  turn: TurnNames,
  { id, kind, createdAt, step }: OpenRequest,
  { decision }: Verdict,
): void {
  end(turn, {
    operation: 'await_person',
    subject: kind,
    part: id,
    startedAt: createdAt,
    attributes: {
      'copilot.request.id': id,
      'copilot.decision': decision,
      ...(step === null ? {} : { 'copilot.step': step }),
    },
  });
}
