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
  sleep,
} from '@temporalio/workflow';
import { fromFailure } from '../contracts/errors.ts';
import type { SessionInput, SessionResult, Turn } from '../contracts/session.ts';
import { findMode } from '../contracts/team.ts';
import type { Message } from '../contracts/transcript.ts';
import type { NextStep, TurnOutcome } from '../contracts/turn.ts';
import { activities } from './activities.ts';
import { acceptChanges } from './handlers/changes.ts';
import { answerQueries } from './handlers/queries.ts';
import { acceptSignals } from './handlers/signals.ts';
import { acceptUpdates } from './handlers/updates.ts';
import { LiveSession } from './live-session.ts';
import { answer } from './phases/answer.ts';
import { oneShot } from './phases/one-shot.ts';
import { plan } from './phases/plan.ts';
import { route } from './phases/route.ts';
import { runStep } from './phases/step.ts';
import { appendMessages, rememberTurn, restore } from './restore.ts';

export async function copilotSession(input: SessionInput): Promise<SessionResult> {
  const session = new LiveSession(restore(input, new Date().toISOString()));
  // Before the handlers: an update that came with the start finds the message already there.
  if ('start' in input && input.start.message) session.enqueue(input.start.message);
  answerQueries(session);
  acceptSignals(session);
  acceptUpdates(session);
  acceptChanges(session);
  const idleness = new CancellationScope();
  const watching = idleness.run(() => watchIdleness(session)).catch(ignoreCancellation);

  try {
    for (;;) {
      await condition(() => session.isClosing || session.mayStart || (session.isLong && !session.state.current));
      if (session.isClosing) break;
      // Between turns, or between two steps of a turn that has grown long: nothing is in flight.
      if (session.isLong) return await moveOn(session);
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
  const { context } = session;
  if (context.has('initial_task')) context.set('current_task', turn.text, now);
  else context.set('initial_task', turn.text, now);
  session.record({ type: 'turn-started', turnId: turn.id, number: turn.number, text: turn.text });
}

/** Runs a turn to its outcome, or to the next boundary when the run has grown long. */
async function runTurn(session: LiveSession, turn: Turn): Promise<void> {
  while (turn.next.kind !== 'end') {
    // A plan may be longer than a run should be: between two of its steps the session can move too.
    if (session.isLong && turn.next.kind === 'step') return;
    if (session.isClosing) break;
    turn.next = await attempt(session, turn, turn.next);
  }
  if (turn.next.kind === 'end') end(session, turn, turn.next.outcome);
}

type RunningStep = Exclude<NextStep, { kind: 'end' }>;

/** One phase. What goes wrong in it is an outcome of the turn, never a failure of the session. */
async function attempt(session: LiveSession, turn: Turn, next: RunningStep): Promise<NextStep> {
  try {
    session.beginWork();
    const following = await perform(session, turn, next);
    session.keepWork();
    return following;
  } catch (error) {
    if (isCancellation(error)) {
      // Not a turn that was stopped, but the workflow.
      if (!session.isInterrupted) throw error;
      return { kind: 'end', outcome: { status: 'interrupted', reply: turn.reply } };
    }
    const known = fromFailure(error);
    // Anything else is a defect of the workflow code: the task fails and waits for a worker that is mended.
    if (!known && !(error instanceof ActivityFailure)) throw error;
    log.warn('turn failed', { turn: turn.id, phase: turn.phase, error });
    turn.resumeAt = next;
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

function perform(session: LiveSession, turn: Turn, next: RunningStep): Promise<NextStep> {
  switch (next.kind) {
    case 'route':
      return route(session, turn);
    case 'one-shot':
      return oneShot(session, turn, next.agent);
    case 'plan':
      return plan(session, turn);
    case 'step':
      return runStep(session, turn, next.number);
    case 'answer':
      return answer(session, turn);
  }
}

function end(session: LiveSession, turn: Turn, outcome: TurnOutcome): void {
  const { state } = session;
  turn.status = outcome.status;
  session.endPhase(turn);
  turn.reply = outcome.reply ?? turn.reply;
  if (outcome.status === 'failed') turn.error = outcome.error;
  if (outcome.status === 'awaiting-input') turn.questions = [...outcome.questions];
  turn.endedAt = new Date().toISOString();
  state.lastActiveAt = turn.endedAt;
  const at = { turnId: turn.id, turn: turn.number };
  const question: Message = { role: 'user', text: turn.text, ...at };
  appendMessages(state, [
    ...(turn.isInTranscript ? [] : [question]),
    {
      role: 'assistant',
      text: turn.reply || `[This turn ended without an answer: ${turn.error?.message ?? turn.status}]`,
      ...at,
      ...(turn.agent === undefined ? {} : { agent: turn.agent }),
      ...(outcome.status === 'completed' || outcome.status === 'awaiting-input' ? {} : { partial: true }),
    },
  ]);
  turn.isInTranscript = true;
  delete state.current;
  rememberTurn(state, turn);
  session.record({ type: 'turn-ended', turnId: turn.id, number: turn.number, status: turn.status });
  session.touch();
  session.publish();
}

/** Goes on in a new run with everything that is known, and with nobody left waiting in this one. */
async function moveOn(session: LiveSession): Promise<never> {
  session.isMoving = true;
  await condition(allHandlersFinished);
  return await continueAsNew<typeof copilotSession>({
    carried: { ...session.state, context: session.context.toJSON() },
  });
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
  return { info: session.info, context: session.context.view().values };
}
