/** Numbers on the command line. */
import { CopilotError } from '../contracts/errors.ts';

/** @throws CopilotError `InvalidInput` */
export function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CopilotError('InvalidInput', { what: `${flag} ${text}`, problem: 'use a whole number' });
}

/** @throws CopilotError `InvalidInput` */
export function positiveNumber(flag: string, text: string): number {
  if (/^\d{1,12}(\.\d{1,12})?$/.test(text) && Number(text) > 0) return Number(text);
  throw new CopilotError('InvalidInput', {
    what: `${flag} ${text}`,
    problem: 'use a number above 0, such as 5 or 0.5',
  });
}
