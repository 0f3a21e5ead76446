/** A direct answer of one agent, with its tools. */
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import type { LiveSession } from '../live-session.ts';
import { allowedTools, runRounds } from './rounds.ts';

export async function oneShot(session: LiveSession, turn: Turn, agent: string): Promise<NextStep> {
  turn.agent = agent;
  session.setPhase(turn, 'one-shot');
  const { summary } = await runRounds(session, turn, {
    phase: 'one-shot',
    agent,
    part: 'one-shot',
    first: { role: 'user', text: turn.text, turnId: turn.id },
    tools: allowedTools(session, agent),
  });
  return { kind: 'end', outcome: { status: 'completed', reply: summary } };
}
