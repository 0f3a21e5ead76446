/** How a failed command ends: one line on stderr, JSON if it was asked for, and an exit code. */
import { CopilotError } from '../contracts/errors.ts';
import { cutLongText, paint, remark, sayJson } from './terminal.ts';

/** Whether the error is about the value of this option, such as `--attach`, or about a message that `--wait` lacks. */
export function isAboutOption(error: unknown, option: string): boolean {
  if (!(error instanceof CopilotError) || error.type !== 'InvalidInput') return false;
  const [what] = String(error.details['what']).split(' ');
  return what === option || `--${what}` === option || what === '--wait';
}

/** Prints the error, with what to do about it if that is known, and gives the exit code for it. */
export function reportError(thrown: unknown, json: boolean, hint?: string): number {
  const error = isMissingPart(thrown) ? missingPart(thrown) : thrown;
  const known = error instanceof CopilotError ? error : undefined;
  const said = error instanceof Error ? error.message : String(error);
  const message = hint === undefined ? said : `${said} ${hint}`;
  const line = cutLongText(message.replaceAll(/\s*\n\s*/g, ' '));
  remark(`${paint('red', 'error:')} ${line}`);
  if (json) sayJson({ error: { type: known?.type ?? 'Internal', message, details: known?.details ?? {} } });
  return known?.exitCode ?? 1;
}

/** The error for another process that reports it. */
export function toCopilotError(thrown: unknown): CopilotError {
  if (thrown instanceof CopilotError) return thrown;
  if (isMissingPart(thrown)) return missingPart(thrown);
  const problem = thrown instanceof Error ? thrown.message : String(thrown);
  return new CopilotError('Internal', { problem }, { cause: thrown });
}

/** A client-only installation leaves out what only workers need. */
function isMissingPart(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
}

function missingPart(cause: Error): CopilotError {
  const [line = ''] = cause.message.split(' imported from ');
  const problem = `This installation has no part that the command needs (${line}). Install it again with npm's --include=optional.`;
  return new CopilotError('Internal', { problem }, { cause });
}
