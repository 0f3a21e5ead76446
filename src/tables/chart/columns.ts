/** The columns that a chart names: plain ones, and parts of dates such as `month(date)`. */
import { nearest } from '../../tools/nearest.ts';
import type { OpenColumn, OpenTable } from '../engine/open-table.ts';
import { RefusedTable } from '../engine/refused-table.ts';
import { identifier } from '../engine/sql.ts';

/** SQL of a part of a date, and the title of its axis. Parts sort as SQL sorts them. */
const DATE_PARTS = {
  month: { sql: (column: string) => `month(${column})`, title: 'month' },
  year: { sql: (column: string) => `year(${column})`, title: 'year' },
  year_month: { sql: (column: string) => `date_trunc('month', ${column})::DATE`, title: 'month' },
  weekday: { sql: (column: string) => `isodow(${column})`, title: 'weekday' },
} as const;
export type DatePart = keyof typeof DATE_PARTS;

const LABELS: Readonly<Partial<Record<DatePart, readonly string[]>>> = {
  month: ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
  weekday: ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
};

export interface ChartColumn {
  readonly sql: string;
  readonly title: string;
  readonly part?: DatePart;
  /** How the values lie on an axis that has no categories. */
  readonly kind: 'number' | 'time' | 'category';
}

/**
 * The column of a name, whatever its case and Unicode form.
 * @throws RefusedTable with the existing columns and the most similar one
 */
function findColumn({ file, columns }: OpenTable, name: string): OpenColumn {
  const wanted = name.normalize('NFC').trim().toLowerCase();
  const found = columns.find((column) => column.name.toLowerCase() === wanted);
  if (found !== undefined) return found;
  const names = columns.map((column) => column.name);
  const near = nearest(name, names);
  const known = names.slice(0, 50).join(', ') + (names.length > 50 ? ', …' : '');
  throw new RefusedTable(
    `"${file}" has no column ${JSON.stringify(name)}.${near === undefined ? '' : ` Did you mean "${near}"?`} Its columns are: ${known}.`,
  );
}

/** @param field the field's name in the tool's input, for refusals */
export function chartColumn(table: OpenTable, text: string, field: string): ChartColumn {
  const isName = table.columns.some(({ name }) => name === text);
  const call = isName ? null : /^\s*(\w+)\s*\(\s*(.+?)\s*\)\s*$/.exec(text);
  if (call === null) {
    const column = findColumn(table, text);
    refuseUndecided(table, column);
    const kind =
      column.type === 'integer' || column.type === 'decimal' ? 'number' : isDate(column) ? 'time' : 'category';
    return { sql: identifier(column.name), title: column.name, kind };
  }
  const [, name = '', inner = ''] = call;
  const part = name.toLowerCase();
  if (!isDatePart(part)) {
    const parts = Object.keys(DATE_PARTS).map((known) => `${known}(column)`);
    throw new RefusedTable(`${field} does not support ${JSON.stringify(name)}. Use a column, or ${parts.join(', ')}.`);
  }
  const column = findColumn(table, inner);
  refuseUndecided(table, column);
  if (!isDate(column))
    throw new RefusedTable(
      `column ${JSON.stringify(column.name)} of "${table.file}" has no dates. Choose a date column, or the column itself.`,
    );
  const { sql, title } = DATE_PARTS[part];
  return { sql: sql(identifier(column.name)), title, part, kind: part === 'year_month' ? 'time' : 'category' };
}

/** @throws RefusedTable if it is not a column of numbers */
export function numberColumn(table: OpenTable, name: string, advice: string): string {
  const column = findColumn(table, name);
  refuseUndecided(table, column);
  if (column.type !== 'integer' && column.type !== 'decimal')
    throw new RefusedTable(
      `column ${JSON.stringify(column.name)} of "${table.file}" has no numbers to draw. ${advice}`,
    );
  return identifier(column.name);
}

/** The text of a value on an axis of categories or in a legend. */
export function valueLabel(value: unknown, part: DatePart | undefined): string {
  const labels = part === undefined ? undefined : LABELS[part];
  return labels?.[Number(value) - 1] ?? label(String(value));
}

/** A text for a chart: one line of characters that are valid in SVG. */
export function label(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]+/gu, ' ').trim();
  return plain === '' ? '(empty)' : plain;
}

function isDate({ type }: OpenColumn): boolean {
  return type === 'date' || type === 'timestamp';
}

function refuseUndecided({ file }: OpenTable, { name, reading, type }: OpenColumn): void {
  if (type === 'undecided')
    throw new RefusedTable(
      `column ${JSON.stringify(name)} of "${file}" ${reading?.note ?? 'can be read in two ways.'}`,
    );
}

function isDatePart(name: string): name is DatePart {
  return Object.hasOwn(DATE_PARTS, name);
}
