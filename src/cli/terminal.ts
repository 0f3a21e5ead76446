/** Writing for people and for programs: answers on stdout, everything else on stderr. */
import { styleText } from 'node:util';
import { CopilotError } from '../contracts/errors.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** In colour where the stream is a terminal that has them; NO_COLOR and FORCE_COLOR are heeded. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** One line of an answer. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One line about what the program does. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** One JSON document. */
export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The answer of a command in the form that was asked for. */
export function answer(json: boolean | undefined, value: unknown, text: () => string): void {
  if (json) sayJson(value);
  else say(text());
}

/** A value that is wrong may be as long as a command line. */
const MAX_ERROR_TEXT = 4_000;

/** What the parser of the command line says of it. */
export function writeUsageError(text: string, write: (text: string) => void): void {
  write(`${cut(text.trimEnd())}\n`);
}

function cut(text: string): string {
  return text.length <= MAX_ERROR_TEXT ? text : `${text.slice(0, MAX_ERROR_TEXT - 1)}…`;
}

/** Says what went wrong, and gives the exit code for it. */
export function reportError(error: unknown, json: boolean): number {
  const known = error instanceof CopilotError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  const line = cut(message.replaceAll(/\s*\n\s*/g, ' '));
  process.stderr.write(`${paint('red', 'error:', process.stderr)} ${line}\n`);
  if (json) sayJson({ error: { type: known?.type ?? 'Internal', message, details: known?.details ?? {} } });
  return known?.exitCode ?? 1;
}

/** Rows under headings, each column as wide as it needs. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [paint('bold', line(headings)), ...rows.map(line)].join('\n');
}

/** The text in one line of at most `max` characters. */
export function shorten(text: string, max = 100): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}
