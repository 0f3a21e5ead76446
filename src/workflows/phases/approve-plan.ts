/** The person's word on a plan: approve it, have it changed, or refuse it. */
import { toFailure } from '../../contracts/errors.ts';
import { MAX_PLAN_CHANGES } from '../../contracts/limits.ts';
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { agentCall, ask, label } from './agent/call.ts';
import { recordPlan } from './planning.ts';

/** @throws Rejected; RequestExpired */
export async function approvePlan(session: LiveSession, turn: Turn): Promise<NextStep> {
  const changes = turn.planChanges ?? 0;
  const { decision, by, text } = await session.requests.ask(turn, {
    key: `plan/${changes + 1}`,
    kind: 'plan',
    question: `Is this plan of ${turn.steps.length} steps right?`,
    options: changes < MAX_PLAN_CHANGES ? ['approve', 'modify', 'reject'] : ['approve', 'reject'],
    onExpiry: { outcome: 'fail', words: 'the turn fails with its plan kept; `continue` asks again' },
  });
  if (decision === 'reject') throw toFailure('Rejected', { by, what: 'the plan', reason: text });
  if (decision === 'approve') return { kind: 'step', number: 1 };
  await change(session, turn, text ?? '', changes + 1);
  return { kind: 'approve-plan' };
}

async function change(session: LiveSession, turn: Turn, feedback: string, round: number): Promise<void> {
  const planner = session.state.team.definition.planning.agent;
  session.setPhase(turn, 'planning');
  const { steps } = await ask(session, turn, planner, () =>
    activities.plan(label(turn, `plan/changed-${round}`, 'plan change'), {
      ...agentCall(session, turn, planner),
      task: turn.task,
      revise: {
        steps: turn.steps.map(({ agent, task, notes, alongside }) => ({ agent, task, notes, alongside })),
        feedback,
        by: 'person',
      },
    }),
  );
  recordPlan(session, turn, steps);
  turn.planChanges = round;
}
