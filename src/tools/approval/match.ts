/** Whether a pattern matches, and the wildcards that all patterns share. */
import type { Token } from '../../contracts/rule-patterns.ts';

/** `maybe`: nobody can tell from the arguments alone. Such a call is never allowed by a rule, and never runs unasked. */
export type Match = 'yes' | 'no' | 'maybe';

/**
 * Whether the tokens match the whole text. Its time grows with the product of the two lengths and no faster, because
 * patterns come from sessions too.
 * @param separator ends a segment; without one, both wildcards match everything
 */
export function matchesTokens(tokens: readonly Token[], text: string, separator?: string): boolean {
  // Which positions in the pattern the text so far can have led to.
  let states = new Uint8Array(tokens.length + 1);
  states[0] = 1;
  for (const char of text) {
    passWildcards(tokens, states);
    const next = new Uint8Array(states.length);
    for (const [at, token] of tokens.entries()) {
      if (states[at] === 0) continue;
      if ('any' in token) {
        if (token.any === 'all' || char !== separator) next[at] = 1;
      } else if (token.char === char) next[at + 1] = 1;
    }
    if (!next.includes(1)) return false;
    states = next;
  }
  passWildcards(tokens, states);
  return states.at(-1) === 1;
}

/** Adds the positions behind wildcards, which may match nothing. */
function passWildcards(tokens: readonly Token[], states: Uint8Array): void {
  for (const [at, token] of tokens.entries()) {
    if (states[at] === 1 && 'any' in token) states[at + 1] = 1;
  }
}

/** The same text for everybody who reads carefully: one form of Unicode, no difference of case. */
export function folded(text: string): string {
  return text.normalize('NFC').toLowerCase();
}
