/**
 * One copilot session as a workflow: its history is the conversation, the plan and the context.
 *
 * | status    | event                    | to                                                              |
 * | --------- | ------------------------ | --------------------------------------------------------------- |
 * | active    | `suspend`                | suspended: the running activity ends and is kept, none starts   |
 * | active    | `suspend({now: true})`   | suspended: the running activity is stopped, done again later    |
 * | suspended | `continue`, changeStatus | active: goes on at the very call where it stopped               |
 * | active    | `continue`               | active: the last turn, if it failed, goes on where it failed    |
 * | both      | changeStatus(completed)  | completed: the running turn is interrupted, the workflow ends   |
 * | active    | idle for `idleTimeoutMs` | expired: the workflow ends; a suspended session never expires   |
 *
 * Where a turn needs a person it waits in the phase that asks ({@link Requests}); the session's status stays, and
 * what waits goes along when the session continues as new.
 *
 * Turns run one after another in the loop below, never in a handler. A phase says what comes next
 * ({@link NextStep}); only this file switches on it.
 */
import type { VersioningBehavior } from '@temporalio/common';
import {
  ActivityFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  log,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import { fromFailure } from '../../contracts/errors.ts';
import type { SessionInput, SessionResult, Turn } from '../../contracts/session.ts';
import { findMode } from '../../contracts/team.ts';
import type { Message } from '../../contracts/transcript.ts';
import type { NextStep, TurnOutcome } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import { carriedOf, isTooHeavy } from './carried-state.ts';
import { acceptChanges } from '../handlers/changes.ts';
import { acceptControl } from '../handlers/control.ts';
import { acceptDecisions } from '../handlers/decisions.ts';
import { answerQueries } from '../handlers/queries.ts';
import { acceptSignals } from '../handlers/signals.ts';
import { acceptUpdates } from '../handlers/conversation.ts';
import { LiveSession } from './live-session.ts';
import { answer } from '../phases/final-answer.ts';
import { approvePlan } from '../phases/approve-plan.ts';
import { clarify } from '../phases/clarify.ts';
import { isTooLong, mayShorten, shorten } from '../phases/compaction.ts';
import { oneShot } from '../phases/one-shot.ts';
import { plan } from '../phases/planning.ts';
import { route } from '../phases/routing.ts';
import { reviewStep, runSteps } from '../phases/steps.ts';
import { MoveOn } from './state/requests.ts';
import { appendMessages, rememberTurn, restore } from './state/initial-state.ts';
import { restarted } from './state/steps.ts';
import { oneLine } from '../views/details.ts';

export async function copilotSession(input: SessionInput): Promise<SessionResult> {
  const isContinued = workflowInfo().continuedFromExecutionRunId !== undefined;
  const session = new LiveSession(restore(input, new Date().toISOString(), isContinued));
  // Before the handlers: an update that came with the start finds the message already there.
  if ('start' in input && input.start.message) session.enqueue(input.start.message);
  answerQueries(session);
  acceptSignals(session);
  acceptUpdates(session);
  acceptControl(session);
  acceptChanges(session);
  acceptDecisions(session);
  const idleness = new CancellationScope();
  const watching = idleness.run(() => watchIdleness(session)).catch(ignoreCancellation);

  try {
    for (let turns = 0; ; turns++) {
      // What a summary takes the place of stands at the end of some run: there it stays readable.
      const mayMove = turns > 0 && !session.isClosing;
      if (isTooLong(session) && mayMove && !isTooHeavy(session)) return await moveOn(session);
      if (isTooLong(session)) await shorten(session);
      await condition(() => session.isClosing || session.mayStart || (session.shouldMove && !session.state.current));
      if (session.isClosing) break;
      // Between turns, or between two steps of a turn that has grown long: nothing is in flight.
      if (session.shouldMove) return await moveOn(session);
      await runTurn(session, nextTurn(session));
    }
  } catch (error) {
    // A cancel request, from the Web UI for example, completes the session.
    if (!isCancellation(error)) throw error;
    session.close('completed');
  }
  idleness.cancel();
  await watching;
  return await CancellationScope.nonCancellable(() => close(session));
}

/** One long timer, looked at when it fires: made anew for each turn it would cost two events a turn. */
async function watchIdleness(session: LiveSession): Promise<void> {
  for (;;) {
    const left = session.idleLeftMs;
    if (left === undefined || session.isClosing) return;
    if (left <= 0) return session.close('expired');
    await sleep(left);
    // Where it is suspended or at work, waiting for the end of that costs no event.
    await condition(() => session.isIdle || session.isClosing);
  }
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** The turn in hand, or the first that waits. */
function nextTurn(session: LiveSession): Turn {
  const { state } = session;
  const turn = state.current ?? state.queue.shift();
  if (!turn) throw new TypeError('nextTurn without a turn'); // mayStart says that there is one
  state.current = turn;
  if (turn.number === 0) begin(session, turn);
  return turn;
}

function begin(session: LiveSession, turn: Turn): void {
  const { state } = session;
  const now = new Date().toISOString();
  delete state.saved;
  if (state.nextTeam) state.team = state.nextTeam;
  delete state.nextTeam;
  turn.number = state.turnCount += 1;
  turn.status = 'running';
  turn.startedAt = now;
  state.lastActiveAt = now;
  const preset = findMode(state.team.definition, state.mode);
  turn.agent = state.team.definition.answering.agent;
  if (preset && preset.route !== 'router') {
    turn.route = preset.route;
    turn.routeReason = `mode ${state.mode}`;
    turn.next = preset.route === 'planned' ? { kind: 'plan' } : { kind: 'one-shot', agent: turn.agent };
  }
  session.phaseContext.rememberTask(turn.text);
  session.record({ type: 'turn-started', turnId: turn.id, number: turn.number, text: turn.text });
}

/** Runs a turn to its outcome, or to the next boundary when the run has grown long. */
async function runTurn(session: LiveSession, turn: Turn): Promise<void> {
  while (turn.next.kind !== 'end') {
    // A plan may be longer than a run should be: between two of its steps the session can move too.
    if (session.mustMove || session.state.isTooLong || (session.shouldMove && turn.next.kind === 'step')) return;
    if (session.isClosing) break;
    turn.next = await attempt(session, turn, turn.next);
    if (turn.restartAt !== undefined && !session.isInterrupted) turn.next = restarted(turn, turn.restartAt);
  }
  if (turn.next.kind === 'end') end(session, turn, turn.next.outcome);
}

type RunningStep = Exclude<NextStep, { kind: 'end' }>;

/** One phase. What goes wrong in it is an outcome of the turn, never a failure of the session. */
async function attempt(session: LiveSession, turn: Turn, next: RunningStep): Promise<NextStep> {
  try {
    session.phaseContext.begin();
    const following = await perform(session, turn, next);
    session.phaseContext.keep();
    session.requests.settle();
    turn.works = [];
    return following;
  } catch (error) {
    // It stands where it stood: the next run begins this phase again, and finds what it had.
    if (error instanceof MoveOn) return next;
    session.phaseContext.drop();
    session.requests.settle();
    const known = isCancellation(error) ? undefined : fromFailure(error);
    if (known?.type === 'ContextOverflow' && mayGoOnShortened(session, turn, next)) {
      turn.isCompacted = true;
      session.state.isTooLong = true;
      // Its work stays: it goes on with the call that was too long.
      return next;
    }
    turn.works = [];
    if (isCancellation(error)) {
      if (turn.restartAt !== undefined && !session.isInterrupted) return next;
      // Not a turn that was stopped, but the workflow.
      if (!session.isInterrupted) throw error;
      return { kind: 'end', outcome: { status: 'interrupted', reply: turn.reply } };
    }
    // Anything else is a defect of the workflow code: the task fails and waits for a worker that is mended.
    if (!known && !(error instanceof ActivityFailure)) throw error;
    log.warn('turn failed', { turn: turn.id, phase: turn.phase, error });
    // What a person refused is not asked again.
    if (known?.type !== 'Rejected') turn.resumeAt = next;
    const cause = error instanceof ActivityFailure ? error.cause : undefined;
    return {
      kind: 'end',
      outcome: {
        status: 'failed',
        error: { type: known?.type ?? 'Internal', message: known?.message ?? cause?.message ?? 'an activity failed' },
      },
    };
  }
}

/** Once a turn, and not for a step: that stands on its brief and does not see the conversation. */
function mayGoOnShortened(session: LiveSession, turn: Turn, { kind }: RunningStep): boolean {
  return kind !== 'step' && !turn.isCompacted && mayShorten(session);
}

function perform(session: LiveSession, turn: Turn, next: RunningStep): Promise<NextStep> {
  switch (next.kind) {
    case 'route':
      return route(session, turn);
    case 'clarify':
      return clarify(session, turn);
    case 'one-shot':
      return oneShot(session, turn, next.agent);
    case 'plan':
      return plan(session, turn);
    case 'approve-plan':
      return approvePlan(session, turn);
    case 'step':
      return runSteps(session, turn, next.number);
    case 'review-step':
      return reviewStep(session, turn, next.number);
    case 'answer':
      return answer(session, turn);
  }
}

function end(session: LiveSession, turn: Turn, outcome: TurnOutcome): void {
  const { state } = session;
  session.requests.withdraw(turn);
  turn.status = outcome.status;
  session.endPhase(turn);
  turn.reply = outcome.reply ?? turn.reply;
  if (outcome.status === 'failed') turn.error = outcome.error;
  turn.endedAt = new Date().toISOString();
  state.lastActiveAt = turn.endedAt;
  countResponse(state, turn);
  const at = { turnId: turn.id, turn: turn.number };
  appendMessages(state, [
    ...dialogue(turn, at),
    {
      role: 'assistant',
      text: turn.reply || withoutAnswer(turn),
      ...at,
      ...(turn.agent === undefined ? {} : { agent: turn.agent }),
      ...(outcome.status === 'completed' ? {} : { partial: true }),
    },
  ]);
  turn.isInTranscript = true;
  turn.answersInTranscript = turn.answers?.length ?? 0;
  delete state.current;
  rememberTurn(state, turn);
  session.record({ type: 'turn-ended', turnId: turn.id, number: turn.number, status: turn.status });
  session.touch();
  session.publish();
}

/** Characters of each step's summary. */
const MAX_DONE_SUMMARY = 400;

/** What the next turn has to know of one that came to no answer: why, and what it had done by then. */
function withoutAnswer({ error, status, steps, artifacts }: Turn): string {
  const done = steps.filter((step) => step.status === 'completed');
  return [
    `[This turn ended without an answer: ${error?.message ?? status}]`,
    ...(done.length === 0 ? [] : ['', 'Done until then:']),
    ...done.map(({ number, task, summary }) => `${number}. ${oneLine(task)}: ${oneLine(summary, MAX_DONE_SUMMARY)}`),
    ...(artifacts.length === 0 ? [] : ['', `Files: ${artifacts.join(', ')}`]),
  ].join('\n');
}

/** What the person said, and what was asked back, as far as the transcript does not have it from an earlier end. */
function dialogue(turn: Turn, at: { turnId: string; turn: number }): Message[] {
  const { text, answers = [], answersInTranscript = 0, agent, isInTranscript = false } = turn;
  return [
    ...(isInTranscript ? [] : [{ role: 'user' as const, text, ...at }]),
    ...answers.slice(answersInTranscript).flatMap(({ questions, answer: said }): Message[] => [
      { role: 'assistant', text: questions.join('\n'), ...at, ...(agent === undefined ? {} : { agent }) },
      { role: 'user', text: said, ...at },
    ]),
  ];
}

function countResponse({ responses }: LiveSession['state'], { startedAt, endedAt, waitedMs = 0 }: Turn): void {
  if (startedAt === undefined || endedAt === undefined) return;
  responses.count += 1;
  responses.totalMs += Date.parse(endedAt) - Date.parse(startedAt) - waitedMs;
}

/** Goes on in a new run with everything that is known, and with nobody left waiting in this one. */
async function moveOn(session: LiveSession): Promise<never> {
  session.isMoving = true;
  await condition(allHandlersFinished);
  leaveBuild();
  return await continueAsNew<typeof copilotSession>({ carried: carriedOf(session) });
}

/**
 * With a worker deployment a run stays on the build that it began on. Here it ceases to: the next run begins on the
 * current build, and a closed session is read by that. The server goes by what the task says that ends the run. The
 * SDK lets a run say it once, at its start, and server 1.29 does not know the SDK's option for continue-as-new.
 */
function leaveBuild(): void {
  const { currentDeploymentVersion } = workflowInfo();
  // The server refuses a task that says so without a deployment.
  if (!currentDeploymentVersion?.deploymentName) return;
  // The SDK's own state of the run, whose type is not for sandbox code.
  const { __TEMPORAL_ACTIVATOR__: run } = globalThis as {
    __TEMPORAL_ACTIVATOR__?: { versioningBehavior?: VersioningBehavior };
  };
  if (run) run.versioningBehavior = 'AUTO_UPGRADE';
}

async function close(session: LiveSession): Promise<SessionResult> {
  const { state } = session;
  if (state.current) end(session, state.current, { status: 'interrupted', reply: state.current.reply });
  for (const turn of state.queue.splice(0)) {
    turn.status = 'interrupted';
    rememberTurn(state, turn);
  }
  session.touch();
  session.publish();
  try {
    await activities.archive();
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    session.note(`The session could not be archived: ${error.cause?.message ?? error.message}`);
  }
  await condition(allHandlersFinished);
  leaveBuild();
  return { info: session.info, context: session.context.view().values };
}
