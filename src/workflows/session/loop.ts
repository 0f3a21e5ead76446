/**
 * One copilot session as a workflow: its history is the conversation, the plan and the context. Which event leads from
 * which status to which is in README.md; {@link SessionLifecycle} makes the changes.
 *
 * A turn that needs a person waits in the phase that asks ({@link Requests}). The session's status stays, and what
 * waits goes along when the session continues as new.
 *
 * Turns run one after another in the loop below, never in a handler. A phase says what comes next
 * ({@link NextStep}); only this file switches on it.
 */
import {
  ActivityFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  workflowInfo,
} from '@temporalio/workflow';
import { fromFailure } from '../../contracts/errors.ts';
import type { SessionResult } from '../../contracts/session.ts';
import type { NextStep, RunningTurn, SessionInput } from '../../contracts/session-state.ts';
import { activities } from '../activities.ts';
import { acceptChanges } from '../handlers/changes.ts';
import { acceptControl } from '../handlers/control.ts';
import { acceptMessages } from '../handlers/conversation.ts';
import { acceptDecisions, acceptForms } from '../handlers/decisions.ts';
import { answerQueries } from '../handlers/queries.ts';
import { acceptSignals } from '../handlers/signals.ts';
import { approvePlan } from '../phases/approve-plan.ts';
import { clarify } from '../phases/clarify.ts';
import { canShorten, isTooLong, shortenConversation } from '../phases/compaction.ts';
import { writeFinalAnswer } from '../phases/final-answer.ts';
import { answerDirectly } from '../phases/one-shot.ts';
import { makePlan } from '../phases/planning.ts';
import { routeMessage } from '../phases/routing.ts';
import { reviewStep, runSteps } from '../phases/steps.ts';
import { leaveBuild } from '../sdk-internals.ts';
import { showDetails } from '../views/current-details.ts';
import { watchIdleness } from './idle-clock.ts';
import { LiveSession } from './live-session.ts';
import { noteUselessRules } from './policies.ts';
import { initialState } from './state/initial-state.ts';
import { ContinuesAsNew } from './continue-as-new.ts';

export async function copilotSession(input: SessionInput): Promise<SessionResult> {
  const isContinued = workflowInfo().continuedFromExecutionRunId !== undefined;
  const session = new LiveSession(initialState(input, new Date().toISOString(), isContinued));
  if (!isContinued) {
    session.view.publishStart();
    noteUselessRules(session);
  }
  // Before the handlers: an update that came with the start finds the message already there.
  if ('start' in input && input.start.message) session.queue.add(input.start.message);
  showDetails(session);
  answerQueries(session);
  acceptSignals(session);
  acceptMessages(session);
  acceptControl(session);
  acceptChanges(session);
  acceptDecisions(session);
  acceptForms(session);
  // A cancel request is heard at once, before the calls that it stops have ended. So the running turn keeps their results.
  void CancellationScope.current().cancelRequested.catch(() => completeCancelled(session));
  const idleness = new CancellationScope();
  const watching = idleness.run(() => watchIdleness(session)).catch(ignoreCancellation);
  const serving = session.askers.serve();

  try {
    for (let passes = 0; ; passes++) {
      // First continue as new, then shorten: earlier messages stay readable in the next run's input.
      const mayContinueAsNew = passes > 0 && !session.isClosing;
      if (isTooLong(session) && mayContinueAsNew && !session.continuation.isTooHeavy)
        return await continueInNewRun(session);
      if (isTooLong(session)) await shortenConversation(session);
      await condition(
        () => session.isClosing || session.mayStart || (session.continuation.isDue && !session.state.current),
      );
      if (session.isClosing) break;
      // Between turns, or between two steps of a turn that has grown long: nothing is in flight.
      if (session.continuation.isDue) return await continueInNewRun(session);
      await runTurn(session, session.turns.begin());
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    completeCancelled(session);
  }
  idleness.cancel();
  await watching;
  return await CancellationScope.nonCancellable(async () => {
    const result = await closeSession(session);
    await serving;
    return result;
  });
}

/** A cancel request, from the Web UI for example, completes the session. */
function completeCancelled({ isClosing, lifecycle, view }: LiveSession): void {
  if (isClosing) return;
  view.note('The workflow was cancelled from outside. That completes the session.');
  lifecycle.close('completed');
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** Runs a turn to its outcome, or to the next boundary if the run has grown long. */
async function runTurn(session: LiveSession, turn: RunningTurn): Promise<void> {
  const { continuation, turns } = session;
  for (;;) {
    const { next } = turns;
    if (!next) return; // only a turn that has ended has none
    if (next.kind === 'end') return turns.end(next.outcome);
    // The main loop shortens the conversation, and continues as new before it does.
    if (next.kind === 'shorten') return;
    // A plan may be longer than a run should be, so the session can also continue as new between two of its steps.
    if (continuation.isOverdue || (continuation.isDue && next.kind === 'step')) return;
    turns.advance(next, await attempt(session, turn, next));
  }
}

type Performable = Exclude<NextStep, { kind: 'end' | 'shorten' }>;

/** One phase. What goes wrong in it is an outcome of the turn, never a failure of the session. */
async function attempt(session: LiveSession, turn: RunningTurn, next: Performable): Promise<NextStep> {
  const { phaseContext, requests, turns, works } = session;
  try {
    phaseContext.begin();
    const following = await perform(session, turn, next);
    phaseContext.keep();
    requests.settle();
    works.closeAll();
    return following;
  } catch (error) {
    // The next run begins this phase again, and finds what it had.
    if (error instanceof ContinuesAsNew) return next;
    phaseContext.drop();
    requests.settle();
    const known = isCancellation(error) ? undefined : fromFailure(error);
    // Keep the agent's work: the call is tried again once the conversation is shorter.
    if (known?.type === 'ContextOverflow' && mayGoOnShortened(session, turn, next))
      return { kind: 'shorten', before: next };
    works.closeAll();
    if (isCancellation(error)) {
      // No redirection means that the workflow was cancelled, not the turn.
      if (!turns.redirection) throw error;
      return turns.redirection;
    }
    // Anything else is a defect of the workflow code: Temporal retries the task until a worker has the fix.
    if (!known && !(error instanceof ActivityFailure)) throw error;
    log.warn('turn failed', { turn: turn.id, phase: turn.phase, error });
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    const message = known?.message ?? cause?.message ?? 'an activity failed';
    // A person who refused is not asked again.
    const resumeAt = known?.type === 'Rejected' ? null : next;
    return {
      kind: 'end',
      outcome: { status: 'failed', error: { type: known?.type ?? 'Internal', message }, resumeAt },
    };
  }
}

/** Once a turn, and not for a step: an agent of a step reads its brief, not the conversation. */
function mayGoOnShortened({ state }: LiveSession, { isShortened }: RunningTurn, { kind }: Performable): boolean {
  return kind !== 'step' && !isShortened && canShorten(state);
}

function perform(session: LiveSession, turn: RunningTurn, next: Performable): Promise<NextStep> {
  switch (next.kind) {
    case 'route':
      return routeMessage(session, turn);
    case 'clarify':
      return clarify(session, turn, next.questions);
    case 'one-shot':
      return answerDirectly(session, turn, next.agent);
    case 'plan':
      return makePlan(session, turn, next.proposed);
    case 'approve-plan':
      return approvePlan(session, turn, next.changes);
    case 'step':
      return runSteps(session, turn, next.number);
    case 'review-step':
      return reviewStep(session, turn, next.number, next.reply);
    case 'restart':
      return Promise.resolve(session.steps.goBackTo(next.number));
    case 'answer':
      return writeFinalAnswer(session, turn, next.reply);
  }
}

/** Continues as new with the whole state. Nobody is left waiting in this run. */
async function continueInNewRun({ askers, continuation, listeners }: LiveSession): Promise<never> {
  continuation.hasBegun = true;
  await condition(() => allHandlersFinished() && askers.areServed && listeners.areTold);
  leaveBuild();
  return await continueAsNew<typeof copilotSession>({ carried: continuation.carried });
}

async function closeSession(session: LiveSession): Promise<SessionResult> {
  const { askers, context, listeners, queue, turns, view } = session;
  if (session.state.current) turns.end({ status: 'interrupted' });
  queue.clear();
  context.clearEphemeral(new Date().toISOString());
  view.touch();
  view.publish();
  let archiveProblem: string | null = null;
  try {
    await activities.archive();
  } catch (error) {
    // What a retry can mend is retried without end.
    if (!(error instanceof ActivityFailure)) throw error;
    archiveProblem = error.cause?.message ?? error.message;
    view.note(`The session could not be archived: ${archiveProblem}`);
  }
  await condition(allHandlersFinished);
  const result = { info: session.info, context: session.context.persistent, archiveProblem };
  listeners.sessionEnded();
  askers.close(result);
  // Who asks while others are told is told as well.
  await condition(() => allHandlersFinished() && askers.areServed && listeners.areTold);
  askers.end();
  leaveBuild();
  return result;
}
