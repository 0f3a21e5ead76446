/** Changes of a plan: of its steps that have not run, and going back to one that has. */
import { workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import type { EditPlanPayload } from '../../contracts/payloads.ts';
import type { Turn } from '../../contracts/session.ts';
import type { Step } from '../../contracts/turn.ts';
import type { LiveSession } from '../session/live-session.ts';
import { newStep, restarted } from '../session/state/steps.ts';

export type PlanEdits = EditPlanPayload['edits'];
type PlanEdit = PlanEdits[number];

/**
 * The turn in hand, or the last one, where it has a plan.
 * @throws WrongState where there is none, or where the last turn has ended well and no step is to be run again
 */
export function planToEdit({ state }: LiveSession, edits: PlanEdits): Turn {
  const turn = state.current ?? state.recent.at(-1);
  if (!turn || turn.steps.length === 0) {
    throw toFailure('WrongState', {
      needs: 'in the middle of a plan',
      status: 'without one',
      wayOut: 'Send a message that needs a plan first.',
    });
  }
  const mayGoOn = turn === state.current || turn.resumeAt !== undefined || edits.some(({ op }) => op === 'restart');
  if (mayGoOn) return turn;
  throw toFailure('WrongState', {
    needs: 'in the middle of a plan',
    status: `past the end of it (turn ${turn.number} is ${turn.status})`,
    wayOut: 'Restart it at one of its steps, or send a new message.',
  });
}

/** Makes the changes, on `turn` only where one is given: to find out whether they can be made. */
export function editSteps(session: LiveSession, edits: PlanEdits, tried?: Turn): void {
  const turn = tried ?? planToEdit(session, edits);
  let restartAt: number | undefined;
  for (const edit of edits) {
    if (edit.op === 'restart') restartAt = requireStep(turn, edit.step, edit).number;
    else change(session, turn, edit);
    turn.steps.forEach((step, index) => (step.number = index + 1));
  }
  if (turn.steps.length === 0) throw refused('the plan', 'it would have no steps; interrupt the turn instead');
  if (tried) return;
  if (restartAt !== undefined) restart(session, turn, restartAt);
  session.record({ type: 'plan-edited', turnId: turn.id });
  session.touch();
  session.publish();
}

function restart(session: LiveSession, turn: Turn, number: number): void {
  if (turn !== session.state.current) {
    session.takeUp(turn, restarted(turn, number));
  } else {
    turn.restartAt = number;
    session.requests.withdraw(turn);
    session.stopAll();
  }
}

function change(session: LiveSession, turn: Turn, edit: Exclude<PlanEdit, { op: 'restart' }>): void {
  const { steps } = turn;
  switch (edit.op) {
    case 'add': {
      const { at, agent, task, notes = '' } = edit;
      if (at > steps.length + 1) throw refused(`step ${at}`, `the plan has ${steps.length} steps`);
      if (steps.slice(at - 1).some(hasBegun)) throw refused(`step ${at}`, 'a later step has begun already');
      requireUnasked(session, turn, at);
      requireAgent(session, agent);
      const key = Math.max(0, ...steps.map((step) => step.key)) + 1;
      steps.splice(at - 1, 0, newStep({ agent, task, notes, alongside: false }, at, key));
      return;
    }
    case 'remove': {
      const step = requireOpenStep(session, turn, edit.step, edit);
      steps.splice(steps.indexOf(step), 1);
      return;
    }
    case 'move': {
      const step = requireOpenStep(session, turn, edit.step, edit);
      requireOpenStep(session, turn, edit.to, edit);
      steps.splice(steps.indexOf(step), 1);
      steps.splice(edit.to - 1, 0, step);
      // Beside which step it could run was said for the old order.
      for (const other of steps) if (!hasBegun(other)) other.alongside = false;
      return;
    }
    case 'change': {
      const step = requireOpenStep(session, turn, edit.step, edit);
      if (edit.agent !== undefined) requireAgent(session, edit.agent);
      const { agent = step.agent, task = step.task, notes = step.notes } = edit;
      Object.assign(step, { agent, task, notes });
    }
  }
}

function hasBegun({ status }: Step): boolean {
  return status === 'completed' || status === 'skipped' || status === 'in-progress';
}

function requireStep({ steps }: Turn, number: number, { op }: PlanEdit): Step {
  const step = steps[number - 1];
  if (!step) throw refused(`step ${number}`, `the plan has ${steps.length} steps, so it cannot ${op} this one`);
  return step;
}

function requireOpenStep(session: LiveSession, turn: Turn, number: number, edit: PlanEdit): Step {
  const step = requireStep(turn, number, edit);
  if (hasBegun(step)) throw refused(`step ${number}`, `it is ${step.status}; only steps that have not run can change`);
  requireUnasked(session, turn, number);
  return step;
}

/** The engine has begun with a step that it asks about: it keeps its number until that is decided. */
function requireUnasked(session: LiveSession, turn: Turn, number: number): void {
  const asked = session.requests.waiting.find((request) => request.turnId === turn.id && request.step === number);
  if (asked) throw refused(`step ${number}`, `request ${asked.id} waits about it; decide that first`);
}

function requireAgent(session: LiveSession, id: string): void {
  const { agents } = session.state.team.definition;
  if (!Object.hasOwn(agents, id)) throw refused(`agent "${id}"`, `the team has ${Object.keys(agents).join(', ')}`);
}

function refused(what: string, problem: string): Error {
  return toFailure('InvalidInput', { what: `Change of ${what} of session ${workflowInfo().workflowId}`, problem });
}
