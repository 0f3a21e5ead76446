/** The outcome of a call that nobody knows. */
import { CopilotError } from '../contracts/errors.ts';

/**
 * A call that reached its target and may have taken effect. A person is asked what became of it, and nothing is repeated
 * before they say so.
 */
export class OutcomeUnknown extends CopilotError {
  /** What happened, such as `the server did not answer`. */
  readonly problem: string;

  /** @param tool its name */
  constructor(tool: string, problem: string, cause?: unknown) {
    super('ToolFailed', { tool, problem: `${problem}, so whether it took effect is unknown` }, { cause });
    this.problem = problem;
  }
}
