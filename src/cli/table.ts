/** Tables in a terminal. */
import { createRequire } from 'node:module';
import type stringWidth from 'string-width';
import { oneLine, paint } from './terminal.ts';

/** In columns of a terminal. A longer cell moves the rest of its own row, and not that of all others. */
const MAX_COLUMN_WIDTH = 60;

const PLAIN = /^[ -~]*$/;

const require = createRequire(import.meta.url);

/** Rows below headings. Each column is as wide as its longest cell, up to a limit. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const widths = headings.map((heading, column) =>
    Math.max(
      widthOf(heading),
      ...cells.map((row) => widthOf(row[column] ?? '')).filter((width) => width <= MAX_COLUMN_WIDTH),
    ),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd();
  return [paint('bold', line(headings)), ...cells.map(line)].join('\n');
}

/** In columns of a terminal. */
function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  // Only here: it takes 30 ms to compile its patterns, and most tables are plain.
  const { default: width } = require('string-width') as { default: typeof stringWidth };
  return width(text);
}
