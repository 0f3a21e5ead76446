/** How a failed command ends: one line on stderr, JSON if it was asked for, and an exit code. */
import { CopilotError } from '../contracts/errors.ts';
import { cutLongText, paint, remark, sayJson } from './terminal.ts';

/** Prints the error and gives the exit code for it. */
export function reportError(error: unknown, json: boolean): number {
  const known = error instanceof CopilotError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const line = cutLongText(message.replaceAll(/\s*\n\s*/g, ' '));
  remark(`${paint('red', 'error:')} ${line}`);
  if (json) sayJson({ error: { type: known?.type ?? 'Internal', message, details: known?.details ?? {} } });
  return known?.exitCode ?? 1;
}
