/** Calculations, done by the tool `calculate`. */
import type { Action } from '../actions.ts';
import { arithmetic } from '../arithmetic.ts';
import { CannotDo, use, type Finding, type Work } from './skill.ts';

export function* calculate(action: Action): Work<Finding> {
  const expression = arithmetic(action.text);
  if (expression === undefined)
    throw new CannotDo(
      'There is no calculation in it that the offline model can read. Write it with numbers and operators: 12.5 * (3 + 4).',
    );
  const result = yield* use('calculate', { expression }, `I calculate ${expression}.`);
  if (result.failed) throw new CannotDo(result.text);
  return {
    title: 'Calculation',
    sentence: `${expression.replace(/^\(([^()]*)\)$/, '$1')} = ${result.text.trim()}`,
    body: '',
  };
}
