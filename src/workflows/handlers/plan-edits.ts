/** Changes of a plan: of its steps that have not run, and going back to one that has. */
import { workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import type { EditPlanPayload } from '../../contracts/payloads.ts';
import type { RunningTurn } from '../../contracts/session-state.ts';
import type { Step } from '../../contracts/turn.ts';
import type { LiveSession } from '../session/live-session.ts';
import { newStep } from '../session/turn/plan-steps.ts';

type PlanEdits = EditPlanPayload['edits'];
type PlanEdit = PlanEdits[number];

export function editPlan(session: LiveSession, edits: PlanEdits): void {
  const { steps, restartAt } = changedPlan(session, edits);
  session.steps.change(steps, restartAt);
}

interface ChangedPlan {
  readonly turn: RunningTurn;
  /** Copies, with the changes. */
  readonly steps: Step[];
  /** Step that runs again, with all after it. */
  readonly restartAt: number | undefined;
}

/** The plan with these changes, for the running turn or the last one. @throws WrongState, InvalidInput */
export function changedPlan(session: LiveSession, edits: PlanEdits): ChangedPlan {
  const turn = planToEdit(session, edits);
  const steps = turn.steps.map((step): Step => ({ ...step, artifacts: [...step.artifacts] }));
  let restartAt: number | undefined;
  for (const edit of edits) {
    if (edit.op === 'restart') restartAt = requireStep(steps, edit.step, edit).number;
    else changeSteps(session, turn, steps, edit);
    steps.forEach((step, index) => (step.number = index + 1));
  }
  if (steps.length === 0) throw refused('the plan', 'it would have no steps; interrupt the turn instead');
  return { turn, steps, restartAt };
}

/**
 * The running turn, or the last one, if it has a plan.
 * @throws WrongState if it has none, or if the last turn has ended well and no step runs again
 */
function planToEdit({ state }: LiveSession, edits: PlanEdits): RunningTurn {
  const turn = state.current ?? state.recent.at(-1);
  if (!turn || turn.steps.length === 0) {
    throw toFailure('WrongState', {
      needs: 'in the middle of a plan',
      status: 'without one',
      wayOut: 'Send a message that needs a plan first.',
    });
  }
  const { status } = turn.state;
  const canGoOn = status === 'running' || (turn.state.status === 'failed' && turn.state.resumeAt !== null);
  if (canGoOn || edits.some(({ op }) => op === 'restart')) return turn;
  throw toFailure('WrongState', {
    needs: 'in the middle of a plan',
    status: `past the end of it (turn ${turn.number} is ${status})`,
    wayOut: 'Restart it at one of its steps, or send a new message.',
  });
}

function changeSteps(
  session: LiveSession,
  turn: RunningTurn,
  steps: Step[],
  edit: Exclude<PlanEdit, { op: 'restart' }>,
): void {
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
    case 'remove':
      requireOpenStep(session, turn, steps, edit.step, edit);
      steps.splice(edit.step - 1, 1);
      return;
    case 'move': {
      const step = requireOpenStep(session, turn, steps, edit.step, edit);
      requireOpenStep(session, turn, steps, edit.to, edit);
      steps.splice(edit.step - 1, 1);
      steps.splice(edit.to - 1, 0, step);
      // Beside which step one could run was decided for the old order.
      for (const other of steps) if (!hasBegun(other)) other.alongside = false;
      return;
    }
    case 'change': {
      const step = requireOpenStep(session, turn, steps, edit.step, edit);
      if (edit.agent !== undefined) requireAgent(session, edit.agent);
      const { agent = step.agent, task = step.task, notes = step.notes } = edit;
      Object.assign(step, { agent, task, notes });
    }
  }
}

function hasBegun({ status }: Step): boolean {
  return status === 'completed' || status === 'skipped' || status === 'in-progress';
}

function requireStep(steps: readonly Step[], number: number, { op }: PlanEdit): Step {
  const step = steps[number - 1];
  if (!step) throw refused(`step ${number}`, `the plan has ${steps.length} steps, so it cannot ${op} this one`);
  return step;
}

function requireOpenStep(
  session: LiveSession,
  turn: RunningTurn,
  steps: readonly Step[],
  number: number,
  edit: PlanEdit,
): Step {
  const step = requireStep(steps, number, edit);
  if (hasBegun(step)) throw refused(`step ${number}`, `it is ${step.status}; only steps that have not run can change`);
  requireUnasked(session, turn, number);
  return step;
}

/** The engine has begun with a step that it asks about. That step keeps its number until somebody has decided. */
function requireUnasked(session: LiveSession, turn: RunningTurn, number: number): void {
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
