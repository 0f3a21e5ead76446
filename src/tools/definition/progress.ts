/** What a tool reports of itself, in a size that a heartbeat can carry. */
import type { ToolProgress } from '../../contracts/progress.ts';
import { beginningOf } from '../../contracts/text-cut.ts';

const MAX_TEXT = 500;

/** One line of at most 500 characters, and numbers that are numbers. */
export function readProgress(given: string | ToolProgress): ToolProgress {
  const { text, done, total } = typeof given === 'string' ? { text: given } : given;
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return {
    text: beginningOf(line, MAX_TEXT).toWellFormed(),
    ...(Number.isFinite(done) ? { done } : {}),
    ...(Number.isFinite(total) ? { total } : {}),
  };
}
