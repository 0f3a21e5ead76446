/** What every call of an agent carries, and the names under which people see it. */
import type { AgentCall, Answered } from '../../../contracts/activities.ts';
import { toFailure } from '../../../contracts/errors.ts';
import type { Turn } from '../../../contracts/session.ts';
import type { AgentDefinition } from '../../../contracts/team.ts';
import type { CallLabel } from '../../activities.ts';
import type { LiveSession } from '../../session/live-session.ts';
import { keepBudget } from '../../session/state/spending.ts';
import { oneLine } from '../../views/details.ts';

/** The agent's definition. @throws InvalidModelOutput where the team has no such agent */
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

export function agentCall(session: LiveSession, turn: Pick<Turn, 'id'>, agentId: string): AgentCall {
  const { state, phaseContext } = session;
  const override = state.config.agents?.[agentId];
  const { variables } = findAgent(session, agentId);
  // Which of its words an override's template uses is known on the worker; here it is enough which it may use.
  const named = phaseContext.keys().filter((key) => override?.instructions?.includes(key));
  return {
    digest: state.team.digest,
    agent: agentId,
    ...(override === undefined ? {} : { override }),
    turnId: turn.id,
    transcript: state.transcript.address,
    context: phaseContext.pick([...new Set([...variables, ...named])]),
  };
}

/** `turn-4/plan`, and `turn 4 · plan` for people. */
export function label(turn: Turn, part: string, words = part): CallLabel {
  return { activityId: `${turn.id}/${part}`, summary: oneLine(`turn ${turn.number} · ${words}`) };
}

/** Runs a structured call of an agent and counts what it used. */
export async function ask<T extends Answered>(
  session: LiveSession,
  turn: Turn,
  agentId: string,
  work: () => Promise<T>,
): Promise<T> {
  if (session.hasBudget) await keepBudget(session, turn);
  const result = await session.call(work);
  session.countUsage(turn, agentId, result);
  return result;
}

/** The person's words with what was asked back and answered. */
export function wordsOf({ text, answers = [] }: Turn): string {
  return [
    text,
    ...answers.map(({ questions, answer }) => `You asked:\n${questions.join('\n')}\n\nThe answer:\n${answer}`),
  ].join('\n\n');
}
