/** Asking back: the person's answer goes on with the same turn. */
import type { NextStep, RunningTurn } from '../../contracts/session-state.ts';
import type { LiveSession } from '../session/live-session.ts';

/** How often the router may ask back in one turn. Then the message is answered with what is known. */
export const MAX_CLARIFICATIONS = 3;

export async function clarify(
  session: LiveSession,
  turn: RunningTurn,
  questions: readonly string[],
): Promise<NextStep> {
  const question = questions.join('\n');
  session.turns.setReply(question);
  const { text = '', images = [] } = await session.requests.ask(turn, {
    key: `clarify/${turn.answers.length + 1}`,
    kind: 'input',
    question,
    options: ['answer'],
    onExpiry: { outcome: 'fail', words: 'the turn fails; `continue` asks again' },
    ...(turn.agent === null ? {} : { agent: turn.agent }),
  });
  session.turns.addAnswer(questions, text, images);
  session.turns.setReply('');
  return { kind: 'route' };
}
