/** Tables in a terminal. A file of its own: most commands show none, and need not load the widths of all characters. */
import stringWidth from 'string-width';
import { oneLine, paint } from './terminal.ts';

/** In columns of a terminal. A longer cell moves the rest of its own row, and not that of all others. */
const MAX_COLUMN_WIDTH = 60;

/** Rows below headings. Each column is as wide as its longest cell, up to a limit. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const widths = headings.map((heading, column) =>
    Math.max(
      stringWidth(heading),
      ...cells.map((row) => stringWidth(row[column] ?? '')).filter((width) => width <= MAX_COLUMN_WIDTH),
    ),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - stringWidth(cell))))
      .join('  ')
      .trimEnd();
  return [paint('bold', line(headings)), ...cells.map(line)].join('\n');
}
