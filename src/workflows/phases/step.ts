/** One step of a plan: its agent works until it reports, with as many attempts as the team allows. */
import { ActivityFailure, isCancellation } from '@temporalio/workflow';
import type { StepReport } from '../../contracts/activities.ts';
import { type ErrorType, fromFailure, toFailure } from '../../contracts/errors.ts';
import { workflowInfo } from '@temporalio/workflow';
import type { Turn } from '../../contracts/session.ts';
import type { NextStep, Step } from '../../contracts/turn.ts';
import { oneLine } from '../views/details.ts';
import type { LiveSession } from '../live-session.ts';
import { allowedTools, runRounds } from './rounds.ts';

/** Summaries that go into a later step whole; older ones are shortened. */
const WHOLE_SUMMARIES = 3;
const MAX_SUMMARY = 4_000;
const MAX_OLD_SUMMARY = 400;

/** Errors that another attempt with the same words will not mend. */
const FINAL: readonly ErrorType[] = ['ModelRejected', 'ContextOverflow'];

export async function runStep(session: LiveSession, turn: Turn, number: number): Promise<NextStep> {
  const step = turn.steps[number - 1];
  if (!step) return { kind: 'answer' };
  const limit = session.state.team.definition.limits.stepAttempts;
  let problem = '';
  session.setPhase(turn, 'executing');
  while (step.attempts < limit) {
    step.attempts += 1;
    step.status = 'in-progress';
    session.record({
      type: 'step-started',
      turnId: turn.id,
      step: number,
      agent: step.agent,
      task: step.task,
      attempt: step.attempts,
    });
    const report = await attemptStep(session, turn, step, problem);
    step.status = report.status === 'done' ? 'completed' : 'failed';
    step.summary = report.summary.slice(0, MAX_SUMMARY);
    session.touch();
    session.record({ type: 'step-ended', turnId: turn.id, step: number, status: step.status, summary: step.summary });
    if (report.status === 'done') {
      const done = turn.steps.filter(({ status }) => status === 'completed');
      session.remember(
        'results',
        done.map(({ summary, number: of }) => ({ step: of, summary: oneLine(summary, MAX_OLD_SUMMARY) })),
      );
      return { kind: 'step', number: number + 1 };
    }
    problem = report.summary;
  }
  throw toFailure('StepFailed', {
    step: number,
    attempts: step.attempts,
    problem: oneLine(problem, 500),
    sessionId: workflowInfo().workflowId,
  });
}

async function attemptStep(session: LiveSession, turn: Turn, step: Step, problem: string): Promise<StepReport> {
  try {
    return await runRounds(session, turn, {
      phase: 'step',
      agent: step.agent,
      part: step.attempts === 1 ? `step-${step.number}` : `step-${step.number}.${step.attempts}`,
      step: step.number,
      first: { role: 'user', text: brief(turn, step, problem) },
      tools: allowedTools(session, step.agent),
    });
  } catch (error) {
    const known = fromFailure(error);
    if (isCancellation(error) || (known && FINAL.includes(known.type))) {
      step.status = isCancellation(error) ? 'pending' : 'failed';
      throw error;
    }
    if (!known && !(error instanceof ActivityFailure)) throw error;
    return { status: 'failed', summary: known?.message ?? (error as ActivityFailure).cause?.message ?? '' };
  }
}

/** Everything the agent of a step is told: the task, the plan, what is done, and its own part. */
function brief(turn: Turn, step: Step, problem: string): string {
  const done = turn.steps.filter(({ status }) => status === 'completed');
  const wholeFrom = done.length - WHOLE_SUMMARIES;
  const summaries = done.map(
    ({ number, agent, summary }, index) =>
      `## Step ${number} (${agent})\n${index >= wholeFrom ? summary : oneLine(summary, MAX_OLD_SUMMARY)}`,
  );
  return [
    `# Task\n${turn.task}`,
    `# Plan\n${turn.steps.map(({ number, agent, task, status }) => `${number}. [${status}] ${task} (${agent})`).join('\n')}`,
    `# Done so far\n${summaries.join('\n\n') || 'Nothing yet.'}`,
    `# Your step\n${step.task}${step.notes.trim() === '' ? '' : `\n\nNotes: ${step.notes}`}`,
    ...(problem === '' ? [] : [`# The attempt before failed\n${oneLine(problem, MAX_SUMMARY)}`]),
  ].join('\n\n');
}
