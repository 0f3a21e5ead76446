/** How much a model thinks, and whether it shows its thoughts, if its server does not take what the request says of it. */
import type { Dialect, Lesson, Refused, Rule } from './dialect.ts';
import type { ReasoningEffort } from './model.ts';

/** Gemini thinks without showing it. */
export const toWithoutThoughts: Rule = (dialect, { body, words }) => {
  if (body['includeThoughts'] !== true || !/include_?thoughts/i.test(words)) return undefined;
  return { dialect: { ...dialect, without: new Set([...dialect.without, 'summary']) }, gaveUp: 'summary' };
};

const EFFORT =
  /reasoning[._ ]?effort|\beffort\b|thinking[ _](mode|budget|level)|adaptive thinking|\bthinking\.\w+|\bkey \[thinking\]|budget_tokens|\bthinking is not (enabled|supported)|does not support (thinking|reasoning)|reasoning is mandatory/i;
const EFFORTS: readonly ReasoningEffort[] = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'];

export function toOtherEffort(dialect: Dialect, { request, words }: Refused & { words: string }): Lesson | undefined {
  if (!EFFORT.test(words) || dialect.without.has('effort')) return undefined;
  const sent = dialect.effort ?? request.effort;
  // Said of tools over chat completions also if no effort was sent: the model has one by default.
  if (/\bnone\b/.test(words) && /set|must|require|only|only with/i.test(words) && sent !== 'none') {
    return { dialect: { ...dialect, effort: 'none' }, gaveUp: 'reasoning with tools' };
  }
  if (sent === undefined) return undefined;
  const listed = /(?:supported|allowed|valid|one of|values?)[^:]*:(.*)/is.exec(words)?.[1] ?? '';
  const supported = EFFORTS.filter((effort) => {
    return (
      effort !== sent && (new RegExp(`\\b${effort}\\b`).test(listed) || new RegExp(`['"\`]${effort}['"\`]`).test(words))
    );
  });
  const at = EFFORTS.indexOf(sent);
  const nearest = supported.sort((a, b) => Math.abs(EFFORTS.indexOf(a) - at) - Math.abs(EFFORTS.indexOf(b) - at))[0];
  if (nearest !== undefined && dialect.effort === undefined) {
    return { dialect: { ...dialect, effort: nearest }, gaveUp: `effort ${sent} (${nearest} instead)` };
  }
  // Tools with an effort of "none" were refused, too: there is nothing left to try.
  if (dialect.effort === 'none' && (request.tools ?? []).length > 0) return undefined;
  const { effort: _, ...rest } = dialect;
  return { dialect: { ...rest, without: new Set([...dialect.without, 'effort']) }, gaveUp: 'reasoning effort' };
}
