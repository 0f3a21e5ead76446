/** Asks the person in the middle of work: `ask me which city, then write the answer to city.txt`. */
import { ASK_USER } from '../../../../src/contracts/activities.ts';
import type { Action } from '../../actions.ts';
import { questionIn } from '../../phrases/questions.ts';
import type { Prompt } from '../../prompt.ts';
import { findingsOf } from '../markdown.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from '../skill.ts';

const TITLE = 'Answer: ';
const SAID = 'The answer is: ';

export function* askPerson({ text }: Action): Work<Finding> {
  const question = questionIn(text) ?? text;
  const result = yield* use(ASK_USER, { question }, `I ask: ${question}`);
  if (result.failed) throw new CannotDo(result.text);
  const answer = /^.{1,200}? answers: ([^]*)$/.exec(result.text)?.[1]?.trim();
  if (answer === undefined) return { title: 'Not answered', sentence: `${question} ${result.text}`, body: '' };
  return { title: `${TITLE}${question}`, sentence: `${SAID}${answer.replace(/\s*\n\s*/g, ' ')}`, body: '' };
}

/** What was answered last, in this step or one before it. */
export function lastAnswer({
  prompt,
  findings,
}: Pick<Desk, 'findings'> & { prompt: Pick<Prompt, 'done'> }): string | undefined {
  const known = [...prompt.done.flatMap(findingsOf), ...findings];
  const found = known.findLast(({ title, sentence }) => title.startsWith(TITLE) && sentence.startsWith(SAID));
  return found?.sentence.slice(SAID.length);
}
