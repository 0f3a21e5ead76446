/** A direct answer of one agent, with its tools. */
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import type { LiveSession } from '../session/live-session.ts';
import { imagesOfTurn, setRoute, wordsOf } from './agent/call.ts';
import { effectsBefore } from './agent/outcomes.ts';
import { completed, runRounds } from './agent/rounds.ts';

export async function answerDirectly(session: LiveSession, turn: RunningTurn, agent: string): Promise<NextStep> {
  session.turns.setAgent(agent);
  session.turns.setPhase('one-shot');
  const { takenUp } = turn;
  const result = await runRounds(session, turn, {
    phase: 'one-shot',
    agent,
    // Without a router the agent decides itself, unless a mode has.
    routes: turn.route === null,
    // Begun again after a failure it makes other calls, which need other idempotency keys.
    part: takenUp === 0 ? 'one-shot' : `one-shot.${takenUp + 1}`,
    first: {
      role: 'user',
      text: [wordsOf(turn), ...effectsBefore(turn, 'one-shot')].join('\n\n'),
      ...imagesOfTurn(turn),
      turnId: turn.id,
    },
  });
  if (!result.plan) return { kind: 'end', outcome: completed(result) };
  setRoute(session, turn, { kind: 'planned', agent, task: wordsOf(turn), reason: 'it needs several steps' });
  return { kind: 'plan', proposed: result.plan };
}
