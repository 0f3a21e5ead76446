/** Numbers on the command line. */
import { CopilotError } from '../contracts/errors.ts';

/** Parses a whole number. @throws CopilotError `InvalidInput` */
export function parseWholeNumber(flag: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CopilotError('InvalidInput', { what: `${flag} ${text}`, problem: 'use a whole number' });
}

const HIGHEST_PORT = 65_535;

/** Parses a port, 0 for any that is free. @throws CopilotError `InvalidInput` */
export function parsePort(flag: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Infinity;
  if (port <= HIGHEST_PORT) return port;
  throw new CopilotError('InvalidInput', { what: `${flag} ${text}`, problem: `use a port from 0 to ${HIGHEST_PORT}` });
}

/** Parses a number above 0. @throws CopilotError `InvalidInput` */
export function parsePositiveNumber(flag: string, text: string): number {
  if (/^\d{1,12}(\.\d{1,12})?$/.test(text) && Number(text) > 0) return Number(text);
  throw new CopilotError('InvalidInput', {
    what: `${flag} ${text}`,
    problem: 'use a number above 0, such as 5 or 0.5',
  });
}

/** The number in an optional flag. @throws CopilotError `InvalidInput` */
export function optional(
  parse: (flag: string, text: string) => number,
  flag: string,
  text: string | undefined,
): number | undefined {
  return text === undefined ? undefined : parse(flag, text);
}
