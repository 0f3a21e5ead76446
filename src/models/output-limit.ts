/** How servers take the limit of a reply: by another name, lower, or not at all. */
import type { Dialect, Lesson, Refused } from './dialect.ts';

/** Names of the limit in a request. */
export const LIMITS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'maxOutputTokens'];

export function toOtherLimit(dialect: Dialect, { body, words }: Refused & { words: string }): Lesson | undefined {
  const sent = LIMITS.find((name) => name in body);
  if (sent === undefined || dialect.limits.length === 0) return undefined;
  // Servers, and the AI SDK's packages, have names of their own for it.
  if (!words.includes(sent) && !/max_?\w{0,12}tokens|maximum tokens/i.test(words)) return undefined;
  const limits = sent === 'max_output_tokens' || sent === 'maxOutputTokens' ? [] : dialect.limits.slice(1);
  return { dialect: { ...dialect, limits }, gaveUp: sent };
}

/** Anthropic: `input length and max_tokens exceed context limit: 150000 + 64000 > 200000`. */
const SUM = /\b(\d+) \+ (\d+) > (\d+)\b/;
/** A reply that has less room than this is worth nothing, in tokens. */
const MIN_ROOM = 1_024;

/** Servers that reserve the whole limit of a reply say of a short conversation that it is too long. */
export function toNoLimit(dialect: Dialect, { body, words }: Refused & { words: string }): Lesson | undefined {
  const [, input, , window] = SUM.exec(words) ?? [];
  const room = Number(window) - Number(input);
  if (room >= MIN_ROOM && dialect.room === undefined)
    return {
      dialect: { ...dialect, room },
      gaveUp: `room for more than ${room} tokens of output`,
      holdsFor: 'request',
    };
  const isSent = LIMITS.some((name) => name in body) && dialect.limits.length > 0;
  if (!isSent || !/completion|output|max_\w*tokens/i.test(words)) return undefined;
  return { dialect: { ...dialect, limits: [] }, gaveUp: 'the limit of output tokens', holdsFor: 'turn' };
}
