/** The person's word on a plan: approve it, have it changed, or refuse it. */
import { toFailure } from '../../contracts/errors.ts';
import { MAX_PLAN_CHANGES } from '../../contracts/limits.ts';
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { requestedStep } from '../session/turn/plan-steps.ts';
import { agentCall, askAgent, imagesOfTurn, labelCall } from './agent/call.ts';
import { recordPlan, stepsOf } from './planning.ts';

/**
 * @param changes how often the person has had the plan changed
 * @throws Rejected; RequestExpired
 */
export async function approvePlan(session: LiveSession, turn: RunningTurn, changes: number): Promise<NextStep> {
  const { decision, by, text } = await session.requests.ask(turn, {
    key: `plan/${changes + 1}`,
    kind: 'plan',
    question: `Is this plan of ${turn.steps.length} steps right?`,
    options: changes < MAX_PLAN_CHANGES ? ['approve', 'modify', 'reject'] : ['approve', 'reject'],
    onExpiry: { outcome: 'fail', words: 'the turn fails with its plan kept; `continue` asks again' },
    steps: turn.steps.map(requestedStep),
  });
  if (decision === 'reject') throw toFailure('Rejected', { by, what: 'the plan', reason: text });
  if (decision === 'approve') return { kind: 'step', number: 1 };
  await changePlan(session, turn, text ?? '', changes + 1);
  return { kind: 'approve-plan', changes: changes + 1 };
}

async function changePlan(session: LiveSession, turn: RunningTurn, feedback: string, round: number): Promise<void> {
  const planner = session.state.team.definition.planning.agent;
  session.turns.setPhase('planning');
  const planned = await askAgent(session, turn, planner, {
    label: labelCall(turn, `plan/changed-${round}`, 'plan change'),
    work: (label) =>
      activities.plan(label, {
        ...agentCall(session, turn, planner),
        task: turn.task,
        ...imagesOfTurn(turn),
        revise: {
          steps: turn.steps.map(({ agent, task, notes, alongside }) => ({ agent, task, notes, alongside })),
          feedback,
          by: 'person',
        },
      }),
  });
  recordPlan(session, stepsOf(planned));
}
