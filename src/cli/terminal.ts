/** Output for people and programs: results on stdout, everything else on stderr. */
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** A wrong value may be as long as a command line can be. */
const MAX_ERROR_CHARACTERS = 4_000;

/** Colours the text if the stream is a terminal with colours. NO_COLOR and FORCE_COLOR are respected. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Writes one line of a result. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes one line about what the program is doing. */
export function remark(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes one JSON document. */
export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Writes the result of a command, as JSON or as text. */
export function printResult(json: boolean | undefined, value: unknown, text: () => string): void {
  if (json) sayJson(value);
  else say(text());
}

export function cutLongText(text: string): string {
  return text.length <= MAX_ERROR_CHARACTERS ? text : `${text.slice(0, MAX_ERROR_CHARACTERS - 1)}…`;
}

/** Rows below headings. Each column is as wide as its longest cell. */
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

/** The text as one line of at most `max` characters. */
export function shorten(text: string, max = 100): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= max ? line : `${line.slice(0, max - 1)}…`;
}
