import { createHash } from 'node:crypto';

/** Words that do not repeat themselves: an answer in a form that does is cut off. */
export function distinctWords(seed: string, count: number): string {
  const wordAt = (n: number): string => createHash('sha256').update(`${seed} ${n}`).digest('hex').slice(0, 7);
  return Array.from({ length: count }, (_, n) => wordAt(n)).join(' ');
}
