/** What `npm run test:full` has more than `npm test`. */
import { draw, seed } from './random.ts';

/** Whether to draw many cases, play long forms, and give each command a process of its own. */
export const isFull = process.env['COPILOT_TEST_FULL'] !== undefined;

/** A test that takes long, and shows another variant of what a test of `npm test` shows. */
export function itInFull(title: string, test: (this: Mocha.Context) => Promise<void>): void {
  if (isFull) it(title, test);
}

/** Draws some of many cases that are alike, by the seed of this run. `npm run test:full` has all of them. */
export function someOf<T>(cases: readonly T[], count: number): readonly T[] {
  return isFull ? cases : draw(cases, count, seed);
}
