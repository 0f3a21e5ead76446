/** Routing: decides whether the message is answered directly, planned, or asked back. */
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../live-session.ts';
import { agentCall, ask, label } from './call.ts';

export async function route(session: LiveSession, turn: Turn): Promise<NextStep> {
  const { definition } = session.state.team;
  const router = definition.routing.agent;
  session.setPhase(turn, 'routing');
  const { decision, source } = await ask(session, turn, router, () =>
    activities.route(label(turn, 'route'), { ...agentCall(session, turn, router), message: turn.text }),
  );
  const known = Object.hasOwn(definition.agents, decision.primaryAgent);
  turn.agent = known ? decision.primaryAgent : definition.answering.agent;
  turn.route = decision.route;
  turn.routeReason = source === 'model' ? decision.reason : `${decision.reason} (${source})`;
  turn.task = decision.refinedTask.trim() || turn.text;
  session.remember('route', { route: decision.route, agent: turn.agent, task: turn.task });
  session.record({
    type: 'routed',
    turnId: turn.id,
    route: decision.route,
    agent: turn.agent,
    reason: turn.routeReason,
  });
  switch (decision.route) {
    case 'one-shot':
      return { kind: 'one-shot', agent: turn.agent };
    case 'planned':
      return { kind: 'plan' };
    case 'clarify':
      return {
        kind: 'end',
        outcome: { status: 'awaiting-input', reply: decision.questions.join('\n'), questions: decision.questions },
      };
  }
}
