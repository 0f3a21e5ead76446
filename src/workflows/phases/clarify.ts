/** Asking back: the person's answer goes on with the same turn. */
import type { Turn } from '../../contracts/session.ts';
import type { NextStep } from '../../contracts/turn.ts';
import type { LiveSession } from '../session/live-session.ts';

/** Times that the router may ask back in one turn; then it has to do with what it knows. */
export const MAX_CLARIFICATIONS = 3;

export async function clarify(session: LiveSession, turn: Turn): Promise<NextStep> {
  const asked = turn.answers?.length ?? 0;
  const question = turn.questions.join('\n');
  turn.reply = question;
  const { text = '' } = await session.requests.ask(turn, {
    key: `clarify/${asked + 1}`,
    kind: 'input',
    question,
    options: ['answer'],
    onExpiry: { outcome: 'fail', words: 'the turn fails; `continue` asks again' },
    ...(turn.agent === undefined ? {} : { agent: turn.agent }),
  });
  turn.answers = [...(turn.answers ?? []), { questions: turn.questions, answer: text }];
  turn.questions = [];
  turn.reply = '';
  return { kind: 'route' };
}
