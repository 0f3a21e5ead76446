/** What every call of an agent carries, and the names under which people see it. */
import { workflowInfo } from '@temporalio/workflow';
import type { AgentCall, Answered, Reasoned } from '../../../contracts/activities.ts';
import { toFailure } from '../../../contracts/errors.ts';
import { type ImageReference, imagesField } from '../../../contracts/image.ts';
import type { RunningTurn } from '../../../contracts/session-state.ts';
import type { AgentDefinition } from '../../../contracts/team.ts';
import type { Route } from '../../../contracts/turn.ts';
import type { CallLabel } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { hasBudget } from '../../session/policies.ts';
import { endCallSpan, tracedTurn } from '../../session/spans.ts';
import { keepBudget } from './budget.ts';
import { oneLine } from '../../views/details.ts';

/** The agent's definition. @throws InvalidModelOutput if the team has no such agent */
export function findAgent(session: LiveSession, id: string): AgentDefinition {
  const { agents } = session.state.team.definition;
  const agent = Object.hasOwn(agents, id) ? agents[id] : undefined;
  if (!agent) {
    throw toFailure('InvalidModelOutput', {
      what: 'choice of an agent',
      problem: `there is no agent "${id}"; known: ${Object.keys(agents).join(', ')}`,
    });
  }
  return agent;
}

export function agentCall(session: LiveSession, turn: Parameters<typeof tracedTurn>[0], agentId: string): AgentCall {
  const model = session.state.current?.models[agentId];
  const { state, phaseContext } = session;
  const { model: sessionModel, agents } = state.config;
  const own = agents?.[agentId];
  const override = sessionModel === undefined ? own : { model: sessionModel, ...own };
  const { variables } = findAgent(session, agentId);
  const { workflowId: id, runId } = workflowInfo();
  const ids = { session_id: id, workflow_id: id, run_id: runId };
  // The worker knows which keys an override's template uses. Here it is enough to know which it may use.
  const named = [...Object.keys(ids), ...phaseContext.keys()].filter((key) => override?.instructions?.includes(key));
  const wanted = [...new Set([...variables, ...named])];
  return {
    digest: state.team.digest,
    agent: agentId,
    ...(override === undefined ? {} : { override }),
    ...(model === undefined ? {} : { model }),
    ...tracedTurn(turn),
    transcript: state.transcript.address,
    ...(state.config.workspace === undefined ? {} : { workspace: state.config.workspace }),
    context: {
      ...phaseContext.pick(wanted),
      ...Object.fromEntries(Object.entries(ids).filter(([key]) => wanted.includes(key))),
    },
  };
}

/** `turn-4/plan`, and `turn 4 · plan` for people. */
export function labelCall(turn: RunningTurn, part: string, words = part): CallLabel {
  return { activityId: `${turn.id}/${part}`, summary: oneLine(`turn ${turn.number} · ${words}`) };
}

/** Runs a structured call of an agent and counts what it used. Followers see what the model shows of its reasoning. */
export async function askAgent<T extends Reasoned>(
  session: LiveSession,
  turn: RunningTurn,
  agent: string,
  { label, work }: { readonly label: CallLabel; readonly work: (label: CallLabel) => Promise<T> },
): Promise<T> {
  if (hasBudget(session.state)) await keepBudget(session, turn);
  const at = { turnId: turn.id, activityId: label.activityId };
  const startedAt = new Date().toISOString();
  let result: T;
  try {
    result = await session.calls.run(() => {
      session.view.record({ type: 'model-started', ...at, agent });
      return work(label);
    });
  } finally {
    endCallSpan(turn, agent, label.activityId, startedAt);
  }
  countAnswer(session, agent, result);
  const { reasoning } = result;
  session.view.record({ type: 'model-ended', ...at, text: '', ...(reasoning === undefined ? {} : { reasoning }) });
  return result;
}

/** Counts what a call used. If another model served it, followers are told, and the turn stays with that one. */
export function countAnswer(session: LiveSession, agentId: string, answer: Answered): void {
  session.spending.countAnswer(agentId, answer);
  if (!answer.fallback) return;
  const { index, to, problem } = answer.fallback;
  session.turns.useModel(agentId, index);
  session.view.note(`${agentId} goes on with model ${to} until the turn ends: ${problem}`);
}

/** The person's words with what was asked back and answered. */
export function wordsOf({ text, answers }: RunningTurn): string {
  return [
    text,
    ...answers.map(({ questions, answer }) => `You asked:\n${questions.join('\n')}\n\nThe answer:\n${answer}`),
  ].join('\n\n');
}

/** The images of the message and of what was answered, as the field of a message or of an activity's input. */
export function imagesOfTurn({ images = [], answers }: RunningTurn): { images?: ImageReference[] } {
  return imagesField([...images, ...answers.flatMap((answer) => answer.images ?? [])]);
}

export interface RouteChoice {
  readonly kind: Route;
  /** The agent that answers, or leads the plan. */
  readonly agent: string;
  readonly task: string;
  readonly reason: string;
}

/** Records how the message is handled, for the turn, the context and followers. */
export function setRoute(session: LiveSession, turn: RunningTurn, { kind, agent, task, reason }: RouteChoice): void {
  session.turns.setRoute(kind, reason, agent, task);
  session.phaseContext.record({ route: { route: kind, agent, task } });
  session.view.record({ type: 'routed', turnId: turn.id, route: kind, agent, reason });
}
