/** Planning: the planner proposes, the reviewer judges, the planner revises; then the plan is recorded. */
import type { PlanResult } from '../../contracts/activities.ts';
import { toFailure } from '../../contracts/errors.ts';
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import type { PlannedStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { approvalsOf } from '../session/policies.ts';
import { agentCall, askAgent, findAgent, imagesOfTurn, labelCall } from './agent/call.ts';

/** @param proposed the answering agent's own plan; without it the planner makes one */
export async function makePlan(
  session: LiveSession,
  turn: RunningTurn,
  proposed: readonly PlannedStep[] | undefined,
): Promise<NextStep> {
  session.turns.setPhase('planning');
  recordPlan(session, await agreeOnPlan(session, turn, proposed ?? (await proposePlan(session, turn))));
  const needsApproval = approvalsOf(session.state).plan === true;
  return needsApproval ? { kind: 'approve-plan', changes: 0 } : { kind: 'step', number: 1 };
}

/** @throws InvalidModelOutput if the plan is empty or names an agent that does not exist */
export function recordPlan(session: LiveSession, proposed: readonly PlannedStep[]): void {
  if (proposed.length === 0) throw toFailure('InvalidModelOutput', { what: 'plan', problem: 'it has no steps' });
  for (const step of proposed) findAgent(session, step.agent);
  session.phaseContext.record({ plan: proposed.map(({ agent, task }) => ({ agent, task })), results: [] });
  session.steps.record(proposed);
}

async function proposePlan(session: LiveSession, turn: RunningTurn): Promise<readonly PlannedStep[]> {
  const planner = session.state.team.definition.planning.agent;
  const planned = await askAgent(session, turn, planner, {
    label: labelCall(turn, 'plan'),
    work: (label) =>
      activities.plan(label, {
        ...agentCall(session, turn, planner),
        task: turn.task,
        ...imagesOfTurn(turn),
      }),
  });
  return stepsOf(planned);
}

/** The steps that the reviewer approves, or the last revision if the rounds of review are used up. Short plans are not reviewed. */
async function agreeOnPlan(
  session: LiveSession,
  turn: RunningTurn,
  first: readonly PlannedStep[],
): Promise<readonly PlannedStep[]> {
  const { agent: planner, reviewer, reviews, reviewFrom } = session.state.team.definition.planning;
  const { task } = turn;
  let steps = first;
  for (let round = 1; reviewer !== undefined && round <= reviews; round++) {
    if (steps.length < reviewFrom) break;
    const proposed = steps;
    const { approved, feedback, problem } = await askAgent(session, turn, reviewer, {
      label: labelCall(turn, `review/${round}`, 'plan review'),
      work: (label) =>
        activities.review(label, {
          ...agentCall(session, turn, reviewer),
          task,
          steps: proposed,
        }),
    });
    if (problem !== undefined) {
      session.view.note(
        `The plan of turn ${turn.number} was not reviewed: ${reviewer} gave no usable answer (${problem}).`,
      );
    }
    if (approved) break;
    steps = stepsOf(
      await askAgent(session, turn, planner, {
        label: labelCall(turn, `plan/${round}`, 'plan revision'),
        work: (label) =>
          activities.plan(label, {
            ...agentCall(session, turn, planner),
            task,
            ...imagesOfTurn(turn),
            revise: { steps: proposed, feedback, by: 'reviewer' },
          }),
      }),
    );
  }
  return steps;
}

/** @throws InvalidModelOutput if the planner gave no usable plan */
export function stepsOf({ steps, problem }: PlanResult): readonly PlannedStep[] {
  if (problem !== undefined) throw toFailure('InvalidModelOutput', { what: 'plan', problem });
  return steps;
}
