/** What `npm run test:full` has more than `npm test`. */

/** Whether to draw many cases, play long forms, and give each command a process of its own. */
export const isFull = process.env['COPILOT_TEST_FULL'] !== undefined;

/** A test that takes long, and shows another variant of what a test of `npm test` shows. */
export function itInFull(title: string, test: (this: Mocha.Context) => Promise<void>): void {
  if (isFull) it(title, test);
}
