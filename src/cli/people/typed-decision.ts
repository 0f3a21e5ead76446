/** Parses the line that a person types while a request waits. */
import type { JsonObject } from '../../contracts/json.ts';
import { namesTool, parseRule } from '../../contracts/rules.ts';
import type { Decision, PendingRequest } from '../../contracts/request.ts';
import { parseFormLine } from './form-text.ts';

export interface TypedDecision {
  readonly decision: Decision;
  readonly text?: string;
  readonly limit?: number;
  readonly rule?: string;
  readonly values?: JsonObject;
}

/** Decisions in words that everybody uses, the first that a request has. */
const YES: readonly Decision[] = ['approve', 'once', 'continue', 'raise', 'accept'];
const NO: readonly Decision[] = ['reject', 'skip', 'deny', 'stop', 'redo', 'decline'];
const YES_WORDS = 'y yes yeah yep yup ok okay sure approve approved allow accept agreed proceed go'.split(' ');
const NO_WORDS = "n no nope nah deny denied reject refuse never stop cancel don't".split(' ');
const POLITE = /^(?:(?:please|thanks|thank you|go ahead|ahead|do it|of course|sure|yes)[\s,.!]*)*$/i;

/** What makes a remark a condition, which no decision can keep. */
const CONDITION = /^(?:but|only|if|unless|except|when|once|after|not|without)\b/i;

/** The decision that yes or no is for this request. */
export function yesOrNo({ options }: Pick<PendingRequest, 'options'>, isYes: boolean): Decision | undefined {
  return (isYes ? YES : NO).find((decision) => options.includes(decision));
}

/**
 * The first word is the decision: one of the request's own, with a remark if it has no condition, or a word for yes or
 * no. A yes stands alone, since `yes, but` is none; a no may have its reason. `raise 50000` gives the new limit, and
 * `session shell: git status*` allows what the rule matches, and `accept name=Ada age=36` fills a form. For a question, the whole line is the answer. Undefined if
 * the line is no decision of this request.
 */
export function parseDecision(
  line: string,
  { options, tool, form }: Pick<PendingRequest, 'options'> & Partial<Pick<PendingRequest, 'tool' | 'form'>>,
): TypedDecision | undefined {
  const given = line.trim();
  if (options.includes('answer')) return given === '' ? undefined : { decision: 'answer', text: line };
  const [word = ''] = given.split(/\s+/);
  const said = word.toLowerCase().replace(/[,.!:]+$/, '');
  const own = options.find((option) => startsWithWords(given, option));
  const rest = given.slice((own ?? word).length).replace(/^[\s,.!:]+/, '');
  const decision =
    own ??
    (YES_WORDS.includes(said) ? yesOrNo({ options }, true) : undefined) ??
    (NO_WORDS.includes(said) ? yesOrNo({ options }, false) : undefined);
  if (!decision) return undefined;
  if (decision === 'raise' && /^\d+(\.\d+)?$/.test(rest)) return { decision, limit: Number(rest) };
  const rule = decision === 'session' ? parseRule(rest) : undefined;
  if (rule && tool && namesTool(rule.tool, tool.name)) return { decision, rule: rest };
  if (own === 'accept' && form && rest !== '') {
    const values = parseFormLine(form, rest);
    return values && { decision, values };
  }
  if (POLITE.test(rest)) return { decision };
  const isRefusal = NO.includes(decision) || decision === 'modify';
  return isRefusal || (own && !CONDITION.test(rest)) ? { decision, text: rest } : undefined;
}

/** Whether a line begins with the option, which may also be typed as `not done` and `try again`. */
function startsWithWords(line: string, option: Decision): boolean {
  const [words, next = ' '] = [line.slice(0, option.length), line[option.length]];
  return words.toLowerCase().replace(' ', '-') === option && /[\s,.!:]/.test(next);
}

/** The prompt while the request waits. */
export function promptFor({
  options,
  form,
}: Pick<PendingRequest, 'options'> & Partial<Pick<PendingRequest, 'form'>>): string {
  if (form && form.fields.length > 0) return '[accept name=value …/decline/cancel] ';
  return options.includes('answer')
    ? 'answer> '
    : `[${yesOrNo({ options }, true) ? 'y/n, ' : ''}${options.join('/')}] `;
}
