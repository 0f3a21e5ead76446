/** Fails on request: `fail this step twice`, `fail always`. */
import { FAILURE } from '../../phrases/split.ts';
import type { Prompt } from '../../prompt.ts';
import { WireError } from '../../wire.ts';
import { CannotDo, type Finding } from '../skill.ts';

const NUMBERS: Readonly<Record<string, number>> = { once: 1, twice: 2, two: 2, three: 3, four: 4, five: 5 };

/**
 * What the attempt before said of itself is all that is known of earlier attempts: after `continue` it counts from 1 again.
 * @throws CannotDo while it is to fail; WireError in a direct answer, which has no attempts
 */
export function failOnRequest(phrase: string, { phase, problem }: Prompt): Finding {
  const [match] = phrase.matchAll(FAILURE);
  const said = match?.[1]?.toLowerCase() ?? '';
  const [first = ''] = said.split(/\s/);
  const times = said === 'always' ? Number.POSITIVE_INFINITY : (NUMBERS[first] ?? Number(first));
  if (phase !== 'step') throw new WireError(400, `The message asks the offline model to fail: "${phrase}".`);
  const before = Number(/\bFailed on purpose, time (\d+)/.exec(problem)?.[1] ?? 0);
  if (before < times) {
    throw new CannotDo(`Failed on purpose, time ${before + 1}${said === 'always' ? '' : ` of ${times}`}.`);
  }
  return { title: 'Failure', sentence: `This step failed on purpose ${before} times; now it is done.`, body: '' };
}
