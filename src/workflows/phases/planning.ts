/** Planning: the planner proposes, the reviewer judges, the planner revises; then the plan is recorded. */
import { toFailure } from '../../contracts/errors.ts';
import type { Turn } from '../../contracts/session.ts';
import type { NextStep, PlannedStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { approvalsOf } from '../session/policies.ts';
import { newStep } from '../session/state/steps.ts';
import { agentCall, ask, findAgent, label } from './agent/call.ts';

export async function plan(session: LiveSession, turn: Turn): Promise<NextStep> {
  session.setPhase(turn, 'planning');
  recordPlan(session, turn, await agree(session, turn));
  return mayNeedApproval(session) ? { kind: 'approve-plan' } : { kind: 'step', number: 1 };
}

function mayNeedApproval({ state }: LiveSession): boolean {
  return approvalsOf(state).plan === true;
}

/** @throws InvalidModelOutput where the plan is empty or names an agent that does not exist */
export function recordPlan(session: LiveSession, turn: Turn, proposed: readonly PlannedStep[]): void {
  if (proposed.length === 0) throw toFailure('InvalidModelOutput', { what: 'plan', problem: 'it has no steps' });
  for (const step of proposed) findAgent(session, step.agent);
  turn.steps = proposed.map((step, index) => newStep(step, index + 1));
  session.phaseContext.remember(
    'plan',
    proposed.map(({ agent, task }) => ({ agent, task })),
  );
  session.phaseContext.remember('results', []);
  session.record({
    type: 'planned',
    turnId: turn.id,
    steps: turn.steps.map(({ number, agent, task }) => ({ number, agent, task })),
  });
}

/** The steps that the reviewer approves, or the last revision when the rounds of review are used up. */
async function agree(session: LiveSession, turn: Turn): Promise<readonly PlannedStep[]> {
  const { agent: planner, reviewer, reviews } = session.state.team.definition.planning;
  const { task } = turn;
  let { steps } = await ask(session, turn, planner, () =>
    activities.plan(label(turn, 'plan'), { ...agentCall(session, turn, planner), task }),
  );
  for (let round = 1; reviewer !== undefined && round <= reviews; round++) {
    const proposed = steps;
    const { approved, feedback, problem } = await ask(session, turn, reviewer, () =>
      activities.review(label(turn, `review/${round}`, 'plan review'), {
        ...agentCall(session, turn, reviewer),
        task,
        steps: proposed,
      }),
    );
    if (problem !== undefined) {
      session.note(`The plan of turn ${turn.number} was not reviewed: ${reviewer} gave no usable answer (${problem}).`);
    }
    if (approved) break;
    ({ steps } = await ask(session, turn, planner, () =>
      activities.plan(label(turn, `plan/${round}`, 'plan revision'), {
        ...agentCall(session, turn, planner),
        task,
        revise: { steps: proposed, feedback },
      }),
    ));
  }
  return steps;
}
