/** Parses the line that a person types while a request waits. */
import type { Decision, PendingRequest } from '../../contracts/request.ts';

export interface TypedDecision {
  readonly decision: Decision;
  readonly text?: string;
  readonly limit?: number;
}

/**
 * The first word is the decision and the rest a remark; `raise 50000` gives the new limit. For a question, the whole line
 * is the answer. Undefined if the line is no decision of this request.
 */
export function parseDecision(line: string, { options }: Pick<PendingRequest, 'options'>): TypedDecision | undefined {
  const given = line.trim();
  if (options.includes('answer')) return given === '' ? undefined : { decision: 'answer', text: line };
  const decision = options.find((option) => startsWithWords(given, option));
  if (!decision) return undefined;
  const text = given.slice(decision.length).trim();
  const rest = text.split(/\s+/);
  if (decision === 'raise' && /^\d+(\.\d+)?$/.test(rest[0] ?? '')) return { decision, limit: Number(rest[0]) };
  return text === '' ? { decision } : { decision, text };
}

/** Whether a line begins with the option, which may also be typed as `not done` and `try again`. */
function startsWithWords(line: string, option: Decision): boolean {
  const [words, next = ' '] = [line.slice(0, option.length), line[option.length]];
  return words.toLowerCase().replace(' ', '-') === option && /\s/.test(next);
}

/** The prompt while the request waits. */
export function promptFor({ options }: Pick<PendingRequest, 'options'>): string {
  return options.includes('answer') ? 'answer> ' : `[${options.join('/')}] `;
}
