/** Refusals of tools: what is wrong and what the agent can do about it. */
import { CopilotError } from '../contracts/errors.ts';
import { quoted } from './files/text.ts';
import { shortenText } from '../contracts/text-cut.ts';

/** Longest path or value in a message, in UTF-16 units. */
const MAX_SHOWN = 200;

/** Makes a `ToolFailed` that tells the agent what is wrong and what to do next. */
export function refusal(scope: { readonly tool: string }, problem: string, options?: ErrorOptions): CopilotError {
  return new CopilotError('ToolFailed', { tool: scope.tool, problem }, options);
}

/** A path or value for a message: quoted, shortened, without control characters. */
export function shown(value: string): string {
  return quoted(shortenText(value, MAX_SHOWN));
}
