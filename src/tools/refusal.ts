/** Refusals of tools: what is wrong and what the agent can do about it. */
import { CopilotError } from '../contracts/errors.ts';
import { quoted } from './files/text.ts';

/** Makes a `ToolFailed` that tells the agent what is wrong and what to do next. */
export function refusal(scope: { readonly tool: string }, problem: string, options?: ErrorOptions): CopilotError {
  return new CopilotError('ToolFailed', { tool: scope.tool, problem }, options);
}

/** A path or value for a message: quoted, shortened, without control characters. */
export function shown(value: string): string {
  return quoted(value.length > 200 ? `${value.slice(0, 200)}…` : value);
}
