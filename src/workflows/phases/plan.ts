/** Planning: the planner proposes, the reviewer judges, the planner revises; then the plan is recorded. */
import { toFailure } from '../../contracts/errors.ts';
import type { Turn } from '../../contracts/session.ts';
import type { NextStep, PlannedStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../live-session.ts';
import { agentCall, ask, findAgent, label } from './call.ts';

export async function plan(session: LiveSession, turn: Turn): Promise<NextStep> {
  session.setPhase(turn, 'planning');
  const proposed = await agree(session, turn);
  if (proposed.length === 0) throw toFailure('InvalidModelOutput', { what: 'plan', problem: 'it has no steps' });
  for (const step of proposed) findAgent(session, step.agent);
  turn.steps = proposed.map((step, index) => ({
    ...step,
    number: index + 1,
    status: 'pending',
    attempts: 0,
    summary: '',
    artifacts: [],
  }));
  session.remember(
    'plan',
    proposed.map(({ agent, task }) => ({ agent, task })),
  );
  session.remember('results', []);
  session.record({
    type: 'planned',
    turnId: turn.id,
    steps: turn.steps.map(({ number, agent, task }) => ({ number, agent, task })),
  });
  return { kind: 'step', number: 1 };
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
    const { approved, feedback } = await ask(session, turn, reviewer, () =>
      activities.review(label(turn, `review/${round}`, 'plan review'), {
        ...agentCall(session, turn, reviewer),
        task,
        steps: proposed,
      }),
    );
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
