/** Steps of a plan: each agent works until it reports, with as many attempts as the team allows. */
import { ActivityFailure, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { StepReport } from '../../contracts/activities.ts';
import { section } from '../../contracts/briefs.ts';
import { type ErrorType, fromFailure, toFailure } from '../../contracts/errors.ts';
import { MAX_STEP_REDOS, MAX_SUMMARY } from '../../contracts/limits.ts';
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import type { LiveSession } from '../session/live-session.ts';
import { approvalsOf } from '../session/policies.ts';
import { ContinuesAsNew } from '../session/continue-as-new.ts';
import { requestedStep, type StepView } from '../session/turn/plan-steps.ts';
import { oneLine } from '../views/details.ts';
import { markBlanks } from '../../contracts/visible-text.ts';
import { imagesOfTurn } from './agent/call.ts';
import { mayAnswer } from './agent/engine-tools.ts';
import { effectsBefore } from './agent/outcomes.ts';
import { runRounds } from './agent/rounds.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

/** Summaries that go into a later step whole; older ones are shortened. */
const WHOLE_SUMMARIES = 3;
const MAX_OLD_SUMMARY = 400;

/** Errors that another attempt at the step cannot mend. */
const FINAL: readonly ErrorType[] = [
  'ModelRejected',
  'ContextOverflow',
  'BudgetReached',
  'RequestExpired',
  'Rejected',
  'McpNotTrusted',
  'McpNotConfigured',
  'McpUnavailable',
  'ToolMissing',
];

/** The step with this number, and those after it that may run at the same time. */
export async function runSteps(session: LiveSession, turn: RunningTurn, number: number): Promise<NextStep> {
  // The next step of a suspended session has not begun, so it may still be changed. If a person is asked before each step,
  // the question opens all the same.
  if (session.state.status === 'suspended' && !approvalsOf(session.state).beforeStep) await session.calls.untilActive();
  const first = turn.steps[number - 1];
  if (!first) return { kind: 'answer' };
  const { beforeStep = false, afterStep = false } = approvalsOf(session.state);
  const group = [first];
  // A person who is asked about each step gets them one after another.
  for (let next = turn.steps[number]; next?.alongside && !beforeStep && !afterStep;) {
    group.push(next);
    next = turn.steps[next.number];
  }
  session.turns.setPhase('executing');
  const ends = await Promise.allSettled(group.map((step) => runStep(session, turn, step)));
  const failures = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  // The failure of one step ends the turn, even if another step could go on in the next run.
  const failure = failures.find((reason) => !(reason instanceof ContinuesAsNew)) ?? failures[0];
  if (failure !== undefined) throw failure;
  const last = ends.at(-1);
  const reply = last?.status === 'fulfilled' ? last.value : undefined;
  if (afterStep && first.status === 'completed') return { kind: 'review-step', number, ...withReply(reply) };
  return afterSteps(session, turn, number + group.length - 1, reply);
}

/** @returns what follows the step of this number; `reply` counts only if that is the last */
function afterSteps(session: LiveSession, turn: RunningTurn, number: number, reply: string | undefined): NextStep {
  return reply !== undefined && mayAnswer(session, turn, number)
    ? { kind: 'answer', reply }
    : { kind: 'step', number: number + 1 };
}

function withReply(reply: string | undefined): { reply?: string } {
  return reply === undefined ? {} : { reply };
}

/** @returns the reply of the turn, if the step reported one */
async function runStep(session: LiveSession, turn: RunningTurn, step: StepView): Promise<string | undefined> {
  if (step.status === 'completed' || step.status === 'skipped') return undefined;
  const { beforeStep = false } = approvalsOf(session.state);
  if (step.status === 'pending' && beforeStep && (await isSkipped(session, turn, step))) {
    session.steps.end(step, 'skipped', 'Skipped.');
    return undefined;
  }
  const limit = session.state.team.definition.limits.stepAttempts;
  let problem = '';
  for (;;) {
    // A step that is in progress already began in the run before.
    if (step.status !== 'in-progress') {
      if (step.attempts >= limit) break;
      session.steps.begin(step);
    }
    const report = await attemptStep(session, turn, step, problem);
    const summary = beginningOf(report.summary, MAX_SUMMARY);
    session.steps.end(step, report.status === 'done' ? 'completed' : 'failed', summary);
    if (report.status === 'done') {
      rememberResults(session, turn);
      return report.answer;
    }
    problem = report.summary;
  }
  throw toFailure('StepFailed', {
    step: step.number,
    attempts: step.attempts,
    problem: oneLine(problem, 500),
    sessionId: workflowInfo().workflowId,
  });
}

async function isSkipped(session: LiveSession, turn: RunningTurn, step: StepView): Promise<boolean> {
  const { decision } = await session.requests.ask(turn, {
    key: `before/${step.key}/${step.tries}`,
    kind: 'before-step',
    question: `Run step ${step.number}: ${oneLine(markBlanks(step.task))}?`,
    options: ['approve', 'skip'],
    onExpiry: { outcome: 'fail', words: 'the turn fails with its plan kept; `continue` asks again' },
    step: step.number,
    agent: step.agent,
    steps: [requestedStep(step)],
  });
  return decision === 'skip';
}

/** The person's word on a step's result: go on, or have it done again. */
export async function reviewStep(
  session: LiveSession,
  turn: RunningTurn,
  number: number,
  reply: string | undefined,
): Promise<NextStep> {
  const step = turn.steps[number - 1];
  if (!step) return { kind: 'answer' };
  const { redos } = step;
  const { decision, text } = await session.requests.ask(turn, {
    key: `after/${step.key}/${step.tries}`,
    kind: 'after-step',
    question: `Step ${number} is done: ${oneLine(step.summary)} Go on?`,
    options: redos < MAX_STEP_REDOS ? ['continue', 'redo'] : ['continue'],
    onExpiry: { outcome: 'continue', words: 'the turn goes on' },
    step: number,
    agent: step.agent,
    steps: [requestedStep(step)],
  });
  if (decision === 'continue') return afterSteps(session, turn, number, reply);
  session.steps.redo(step, text ?? '');
  return { kind: 'step', number };
}

async function attemptStep(
  session: LiveSession,
  turn: RunningTurn,
  step: StepView,
  problem: string,
): Promise<StepReport> {
  const { key, tries } = step;
  const part = tries === 1 ? `step-${key}` : `step-${key}.${tries}`;
  try {
    return await runRounds(session, turn, {
      phase: 'step',
      agent: step.agent,
      part,
      step: step.number,
      first: { role: 'user', text: brief(turn, step, problem), ...imagesOfTurn(turn) },
    });
  } catch (error) {
    if (error instanceof ContinuesAsNew) throw error;
    const known = fromFailure(error);
    if (isCancellation(error) || (known && FINAL.includes(known.type))) {
      session.steps.leave(step, isCancellation(error) ? 'pending' : 'failed');
      throw error;
    }
    if (!known && !(error instanceof ActivityFailure)) throw error;
    // The next attempt begins from the start and does not need what this one has read.
    session.works.close(part);
    return { status: 'failed', summary: known?.message ?? (error as ActivityFailure).cause?.message ?? '' };
  }
}

function rememberResults(session: LiveSession, turn: RunningTurn): void {
  const done = turn.steps.filter(({ status }) => status === 'completed');
  session.phaseContext.record({
    results: done.map(({ summary, number }) => ({ step: number, summary: oneLine(summary, MAX_OLD_SUMMARY) })),
  });
  // Kept now, whatever becomes of the steps beside this one.
  session.phaseContext.commit();
}

/** Everything the agent of a step is told: the task, the plan, what is done, and its own part. */
function brief(turn: RunningTurn, step: StepView, problem: string): string {
  const done = turn.steps.filter(({ status }) => status === 'completed');
  const wholeFrom = done.length - WHOLE_SUMMARIES;
  const summaries = done.map(
    ({ number, agent, summary }, index) =>
      `## Step ${number} (${agent})\n${index >= wholeFrom ? summary : oneLine(summary, MAX_OLD_SUMMARY)}`,
  );
  const plan = turn.steps.map(({ number, agent, task, status }) => `${number}. [${status}] ${task} (${agent})`);
  return [
    section('task', turn.task),
    section('plan', plan.join('\n')),
    section('done', summaries.join('\n\n') || 'Nothing yet.'),
    section('step', `${step.task}${step.notes.trim() === '' ? '' : `\n\nNotes: ${step.notes}`}`),
    ...(problem === '' ? [] : [section('failure', oneLine(problem, MAX_SUMMARY))]),
    ...effectsBefore(turn, `step-${step.key}`),
    ...(step.feedback ? [section('changes', step.feedback)] : []),
  ].join('\n\n');
}
