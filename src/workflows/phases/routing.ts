/** Routing: the message is answered directly, planned, or answered with a question. */
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import { activities } from '../activities.ts';
import type { LiveSession } from '../session/live-session.ts';
import { answeringAgent } from '../session/policies.ts';
import { agentCall, askAgent, imagesOfTurn, labelCall, setRoute, wordsOf } from './agent/call.ts';
import { MAX_CLARIFICATIONS } from './clarify.ts';

export async function routeMessage(session: LiveSession, turn: RunningTurn): Promise<NextStep> {
  const { definition } = session.state.team;
  const router = definition.routing.agent;
  if (router === undefined) return { kind: 'one-shot', agent: answeringAgent(session.state) };
  const answered = turn.answers.length;
  session.turns.setPhase('routing');
  const { decision, source } = await askAgent(session, turn, router, {
    label: labelCall(turn, answered === 0 ? 'route' : `route/${answered + 1}`, 'route'),
    work: (label) =>
      activities.route(label, {
        ...agentCall(session, turn, router),
        message: wordsOf(turn),
        ...imagesOfTurn(turn),
      }),
  });
  const known = Object.hasOwn(definition.agents, decision.primaryAgent);
  // What whoever started the session wants stands above what the router chooses.
  const agent =
    known && session.state.config.agent === undefined ? decision.primaryAgent : answeringAgent(session.state);
  const hasAskedEnough = decision.route === 'clarify' && answered >= MAX_CLARIFICATIONS;
  const kind = hasAskedEnough ? 'one-shot' : decision.route;
  const said = hasAskedEnough ? `${decision.reason}; it was asked back ${answered} times already` : decision.reason;
  const reason = source === 'model' ? said : `${said} (${source})`;
  const task = decision.refinedTask.trim() || wordsOf(turn);
  setRoute(session, turn, { kind, agent, task, reason });
  switch (kind) {
    case 'one-shot':
      return { kind: 'one-shot', agent };
    case 'planned':
      return { kind: 'plan' };
    case 'clarify':
      return { kind: 'clarify', questions: decision.questions };
  }
}
