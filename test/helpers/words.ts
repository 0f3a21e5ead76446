import { createHash } from 'node:crypto';

/** Words that do not repeat themselves: an answer in a form that does is cut off. */
export function distinctWords(seed: string, count: number): string {
  const wordAt = (n: number): string => createHash('sha256').update(`${seed} ${n}`).digest('hex').slice(0, 7);
  return Array.from({ length: count }, (_, n) => wordAt(n)).join(' ');
}

/** A text of so many characters that has nothing in common with another number's. */
export function distinctText(length: number, seed: number): string {
  let state = seed + 1;
  return Array.from({ length }, () => {
    state = (state * 48_271) % 0x7fffffff;
    return String.fromCharCode(97 + (state % 26));
  }).join('');
}
