/** How a failed command ends: one line on stderr, JSON if it was asked for, and an exit code. */
import { CopilotError } from '../contracts/errors.ts';
import { cutLongText, paint, remark, sayJson } from './terminal.ts';

/** Whether the error is about the value of this option, such as `--attach`, or about a message that `--wait` lacks. */
export function isAboutOption(thrown: unknown, option: string): boolean {
  const error = knownError(thrown);
  if (error?.type !== 'InvalidInput') return false;
  const [what] = String(error.details['what']).split(' ');
  return what === option || `--${what}` === option || what === '--wait';
}

/** Prints the error, with what to do about it if that is known, and gives the exit code for it. */
export function reportError(thrown: unknown, json: boolean, hint?: string): number {
  const error = isMissingPart(thrown) ? missingPart(thrown) : thrown;
  const known = knownError(error);
  const said = error instanceof Error ? error.message : String(error);
  const message = hint === undefined ? said : `${said} ${hint}`;
  const line = cutLongText(message.replaceAll(/\s*\n\s*/g, ' '));
  remark(`${paint('red', 'error:')} ${line}`);
  if (json) sayJson({ error: { type: known?.type ?? 'Internal', message, details: known?.details ?? {} } });
  return known?.exitCode ?? 1;
}

/** In the built package, commands that run worker code have a class of their own: see scripts/cli-bundle.ts. */
function knownError(error: unknown): CopilotError | undefined {
  const isKnown = error instanceof Error && error.name === 'CopilotError';
  return isKnown ? (error as CopilotError) : undefined; // of the same version
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
