/** A direct answer of one agent, with its tools. */
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import type { LiveSession } from '../session/live-session.ts';
import { wordsOf } from './agent/call.ts';
import { runRounds } from './agent/rounds.ts';

export async function oneShot(session: LiveSession, turn: Turn, agent: string): Promise<NextStep> {
  turn.agent = agent;
  session.setPhase(turn, 'one-shot');
  const { takenUp = 0 } = turn;
  const { summary } = await runRounds(session, turn, {
    phase: 'one-shot',
    agent,
    // Begun anew after a failure, its calls are others, and so are their keys.
    part: takenUp === 0 ? 'one-shot' : `one-shot.${takenUp + 1}`,
    first: { role: 'user', text: wordsOf(turn), turnId: turn.id },
  });
  return { kind: 'end', outcome: { status: 'completed', reply: summary } };
}
