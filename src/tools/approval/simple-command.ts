/**
 * Commands that are surely simple: one program with literal arguments, and nothing that a shell would interpret. Only
 * these can be allowed by a rule, because only for these a word that was matched is the word that is executed.
 */
import {
  DOUBLE_QUOTED,
  patternWords,
  piecesOf,
  PLAIN,
  SINGLE_QUOTED,
  type Token,
} from '../../contracts/rule-patterns.ts';
import { matchesTokens } from './match.ts';

/** A word without quotes, a word in quotes, or `--option='value'`. */
const WORD = new RegExp(`^(?:(${PLAIN}+)|(${PLAIN}*=)?(?:(${SINGLE_QUOTED})|(${DOUBLE_QUOTED})))$`, 'u');

/** Longer commands are for people to read. */
const MAX_LENGTH = 4_000;

/** Words with which a shell does something else than to run a program of that name. */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...['if', 'then', 'else', 'elif', 'fi', 'case', 'esac', 'for', 'select', 'while', 'until', 'do', 'done', 'in'],
  ...['function', 'time', 'coproc'],
]);

/** The words of a command, or undefined if it is not surely simple. */
export function simpleWords(command: string): readonly string[] | undefined {
  if (command.length > MAX_LENGTH) return undefined;
  const words = piecesOf(command).map((piece) => {
    const [, plain, before = '', single, double] = WORD.exec(piece) ?? [];
    const quoted = single ?? double;
    return quoted === undefined ? plain : before + quoted.slice(1, -1);
  });
  const [first] = words;
  if (first === undefined || words.includes(undefined)) return undefined;
  // The name of the program stands as it is: no quotes, no assignment before it.
  if (!command.trimStart().startsWith(first) || first.includes('=') || KEYWORDS.has(first)) return undefined;
  return words.filter((word) => word !== undefined);
}

/** Whether words match a pattern word by word. A pattern that ends in `*` matches any number of further words. */
export function matchesWords(pattern: readonly (readonly Token[])[], words: readonly string[]): boolean {
  const last = pattern.at(-1) ?? [];
  const isOpen = isWildcard(last.at(-1));
  const needed = isOpen && last.length === 1 ? pattern.length - 1 : pattern.length;
  if (words.length < needed || (words.length > pattern.length && !isOpen)) return false;
  return words.slice(0, pattern.length).every((word, index) => matchesTokens(pattern[index] ?? [], word));
}

export function isWildcard(token: Token | undefined): boolean {
  return token !== undefined && 'any' in token;
}

/** A pattern that matches this command and no other, or undefined if a rule cannot allow it. */
export function exactPattern(command: string): string | undefined {
  const words = simpleWords(command);
  if (!words) return undefined;
  const pattern = words.map((word) => (new RegExp(`^${PLAIN}+$`, 'u').test(word) ? word : quote(word))).join(' ');
  const tokens = patternWords(pattern);
  return tokens && matchesWords(tokens, words) ? pattern : undefined;
}

function quote(word: string): string {
  return word.includes("'") ? `"${word}"` : `'${word}'`;
}
