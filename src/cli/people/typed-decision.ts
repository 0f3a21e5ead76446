/** A line that a person types while something waits: a decision in its own words. */
import type { Decision, PendingRequest } from '../../contracts/request.ts';

export interface TypedDecision {
  readonly decision: Decision;
  readonly text?: string;
  readonly limit?: number;
}

/**
 * The first word is the decision, what follows a remark; `raise 50000` names the new limit. A question takes the
 * whole line as its answer. Undefined where the line is no decision of this request.
 */
export function parseDecision(line: string, { options }: Pick<PendingRequest, 'options'>): TypedDecision | undefined {
  const given = line.trim();
  if (options.includes('answer')) return given === '' ? undefined : { decision: 'answer', text: line };
  const [word = '', ...rest] = given.split(/\s+/);
  const decision = options.find((option) => option === word.toLowerCase());
  if (!decision) return undefined;
  const text = given.slice(word.length).trim();
  if (decision === 'raise' && /^\d+(\.\d+)?$/.test(rest[0] ?? '')) return { decision, limit: Number(rest[0]) };
  return text === '' ? { decision } : { decision, text };
}

/** What stands before the cursor while the request waits. */
export function promptFor({ options }: Pick<PendingRequest, 'options'>): string {
  return options.includes('answer') ? 'answer> ' : `[${options.join('/')}] `;
}
