/**
 * Answers in a wrong form, for people who want to see what the engine makes of them:
 * `answer with broken JSON always: …`, `let the planner answer with an unknown agent: …`.
 */
import type { PlanProposal, PlanReview, RouteDecision } from '../../../src/contracts/turn.ts';

export interface Flaw {
  /** As it stands at the beginning of the message. */
  readonly phrase: string;
  /** Whose answer; undefined for all that have a form. */
  readonly agent: 'router' | 'planner' | 'reviewer' | undefined;
  readonly form: 'broken json' | 'an unknown agent' | 'nothing';
  /** Also when it is told what was wrong. */
  readonly isAlways: boolean;
}

const PHRASE =
  /^\W{0,20}(?:please\s+)?(?:let\s+the\s+(router|planner|reviewer)\s+)?answer\s+with\s+(broken json|an unknown agent|nothing)(?:\s+(once|always))?\s*(?:[:;,.]\s*|$)/i;
const NOBODY = 'nobody';

/** A message without such a phrase, and what it asked for. */
export function takeFlaw(text: string): { text: string; flaw?: Flaw } {
  const match = PHRASE.exec(text);
  if (!match) return { text };
  const [phrase, agent, form, times] = match;
  const flaw = {
    phrase,
    agent: agent?.toLowerCase() as Flaw['agent'], // the expression has no others, here and below
    form: form?.toLowerCase() as Flaw['form'],
    isAlways: times?.toLowerCase() === 'always',
  };
  return { text: text.slice(phrase.length), flaw };
}

/** The JSON text of an answer, made wrong. */
export function spoiled({ form }: Flaw, value: RouteDecision | PlanProposal | PlanReview): string {
  if (form === 'nothing') return '';
  const json = JSON.stringify(value);
  if (form === 'broken json') return json.slice(0, Math.ceil(json.length / 2));
  if ('primaryAgent' in value) return JSON.stringify({ ...value, primaryAgent: NOBODY });
  if ('steps' in value) {
    return JSON.stringify({ ...value, steps: value.steps.map((step) => ({ ...step, agent: NOBODY })) });
  }
  return json;
}
