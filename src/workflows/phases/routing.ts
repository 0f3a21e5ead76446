/** Routing: decides whether the message is answered directly, planned, or asked back. */
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { agentCall, ask, label, wordsOf } from './agent/call.ts';
import { MAX_CLARIFICATIONS } from './clarify.ts';

export async function route(session: LiveSession, turn: Turn): Promise<NextStep> {
  const { definition } = session.state.team;
  const router = definition.routing.agent;
  const answered = turn.answers?.length ?? 0;
  session.setPhase(turn, 'routing');
  const { decision, source } = await ask(session, turn, router, () =>
    activities.route(label(turn, answered === 0 ? 'route' : `route/${answered + 1}`, 'route'), {
      ...agentCall(session, turn, router),
      message: wordsOf(turn),
    }),
  );
  const known = Object.hasOwn(definition.agents, decision.primaryAgent);
  turn.agent = known ? decision.primaryAgent : definition.answering.agent;
  const hasAskedEnough = decision.route === 'clarify' && answered >= MAX_CLARIFICATIONS;
  turn.route = hasAskedEnough ? 'one-shot' : decision.route;
  const reason = hasAskedEnough ? `${decision.reason}; it was asked back ${answered} times already` : decision.reason;
  turn.routeReason = source === 'model' ? reason : `${reason} (${source})`;
  turn.task = decision.refinedTask.trim() || wordsOf(turn);
  session.phaseContext.remember('route', { route: turn.route, agent: turn.agent, task: turn.task });
  session.record({
    type: 'routed',
    turnId: turn.id,
    route: turn.route,
    agent: turn.agent,
    reason: turn.routeReason,
  });
  switch (turn.route) {
    case 'one-shot':
      return { kind: 'one-shot', agent: turn.agent };
    case 'planned':
      return { kind: 'plan' };
    case 'clarify':
      turn.questions = [...decision.questions];
      return { kind: 'clarify' };
  }
}
