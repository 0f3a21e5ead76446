/** Computes one figure per group of rows. */
import { refusal, shown } from '../../refusal.ts';
import type { Scope } from '../../workspace/paths.ts';
import { betterOrder } from './columns.ts';
import { Numbers } from './numbers.ts';
import type { RaggedRows, Table } from './table.ts';
import { columnIndex } from './table.ts';
import type { CalendarDate, DateOrder, DecimalSign } from './values.ts';
import { isMissing, parseDate, parseNumber, rounded } from './values.ts';

export const AGGREGATES = ['sum', 'mean', 'min', 'max', 'count', 'median'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

/** How many groups a result lists. The highest and lowest are found among all. */
const MAX_GROUPS = 2_000;
/** How many groups are held while reading. A column with more distinct values is not useful for grouping. */
const MAX_GROUPS_READ = 200_000;
const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];

/** Names of the group of a date. Names of one part sort as text, except weekdays. */
const DATE_PARTS = {
  month: ({ month }: CalendarDate) => String(month).padStart(2, '0'),
  year: ({ year }: CalendarDate) => String(year).padStart(4, '0'),
  year_month: ({ iso }: CalendarDate) => iso.slice(0, 7),
  weekday: ({ year, month, day }: CalendarDate) =>
    WEEKDAYS[(new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 6) % 7] ?? '',
} as const;
export type DatePart = keyof typeof DATE_PARTS;

export interface GroupRequest {
  /** A column, or `month(column)`, `year(column)`, `year_month(column)`, `weekday(column)`. Default: all rows are one group. */
  readonly groupBy?: string | undefined;
  readonly value?: string | undefined;
  readonly aggregate: Aggregate;
}

interface Group {
  readonly group: string;
  readonly rows: number;
  /** Null if the group has no numbers. */
  readonly result: number | null;
}

export interface GroupTable {
  readonly rows: number;
  readonly groups: readonly Group[];
  /** Number of all groups, if `groups` lists only the first of them. */
  readonly groups_in_all?: number;
  readonly highest: Group | null;
  readonly lowest: Group | null;
  /** Rows without a group, because their cell is missing or is not a date. */
  readonly rows_without_group?: number;
  /** Cells of the value column that are neither missing nor numbers. */
  readonly values_not_numbers?: number;
  /** How dates such as 3/4/2012 were read, if that makes a difference. */
  readonly date_order?: DateOrder;
}

/** What an aggregate needs of the cells of one group. */
export interface Totals {
  rows: number;
  present: number;
  readonly numbers: Numbers;
  readonly all: number[];
}

export function newTotals(): Totals {
  return { rows: 0, present: 0, numbers: new Numbers(), all: [] };
}

/** Adds a row by its cell in the value column, and returns what the cell is. */
export function addCell(
  total: Totals,
  cell: string,
  { decimal, aggregate }: { readonly decimal: DecimalSign; readonly aggregate: Aggregate },
): 'missing' | 'number' | 'other' {
  total.rows++;
  if (isMissing(cell)) return 'missing';
  total.present++;
  const number = parseNumber(cell, decimal);
  if (number === undefined) return 'other';
  total.numbers.add(number);
  if (aggregate === 'median') total.all.push(number);
  return 'number';
}

/** @throws CopilotError `ToolFailed` if a column does not exist or has none of the dates or numbers that the request needs */
export async function groupRows(
  scope: Scope,
  table: Table,
  request: GroupRequest,
  ragged: RaggedRows,
  signal: AbortSignal,
): Promise<GroupTable> {
  const key = await groupKey(scope, table, request.groupBy, signal);
  const valueIndex = request.value === undefined ? undefined : columnIndex(scope, table, request.value);
  const totals = new Map<string, Totals>();
  const counts = { rows: 0, withoutGroup: 0, notNumbers: 0, numbers: 0 };
  for await (const row of table.rows(signal, ragged.add)) {
    counts.rows++;
    const group = key.of(row);
    if (group === undefined) {
      counts.withoutGroup++;
      continue;
    }
    const total = totals.get(group) ?? newTotals();
    totals.set(group, total);
    if (totals.size > MAX_GROUPS_READ)
      throw refusal(
        scope,
        `group_by ${shown(request.groupBy ?? '')} has more than ${MAX_GROUPS_READ} groups. Group by something coarser.`,
      );
    const cell = valueIndex === undefined ? '' : (row[valueIndex] ?? '');
    const kind = addCell(total, cell, { decimal: table.format.decimal, aggregate: request.aggregate });
    if (kind === 'number') counts.numbers++;
    if (kind === 'other') counts.notNumbers++;
  }
  if (request.aggregate !== 'count' && counts.notNumbers > 0 && counts.numbers === 0) {
    throw refusal(
      scope,
      `column ${shown(request.value ?? '')} of ${table.file} has no numbers, so there is no ${request.aggregate}. Choose a numeric column, or aggregate "count".`,
    );
  }
  const groups = [...totals].map(([group, total]) => ({ group, rows: total.rows, result: resultOf(total, request) }));
  groups.sort((left, right) => compareNames(left.group, right.group));
  return {
    rows: counts.rows,
    groups: groups.slice(0, MAX_GROUPS),
    ...(groups.length > MAX_GROUPS ? { groups_in_all: groups.length } : {}),
    ...extremes(groups),
    ...(counts.withoutGroup > 0 ? { rows_without_group: counts.withoutGroup } : {}),
    ...(counts.notNumbers > 0 && request.aggregate !== 'count' ? { values_not_numbers: counts.notNumbers } : {}),
    ...(key.dateOrder === undefined ? {} : { date_order: key.dateOrder }),
  };
}

export interface GroupKey {
  /** The group of a row, or undefined if it has none. */
  readonly of: (row: readonly string[]) => string | undefined;
  /** Which part of a date groups are made of, if any. */
  readonly part?: DatePart;
  /** Set if the dates can be read in two ways. */
  readonly dateOrder?: DateOrder;
}

/**
 * Finds the group of each row by a column or by a part of its dates; see {@link GroupRequest}.
 * @param field the field's name in the tool's input, for error messages
 * @throws CopilotError `ToolFailed` if the column does not exist or has no dates
 */
export async function groupKey(
  scope: Scope,
  table: Table,
  groupBy: string | undefined,
  signal: AbortSignal,
  field = 'group_by',
): Promise<GroupKey> {
  if (groupBy === undefined) return { of: () => 'all rows' };
  const call = table.columns.includes(groupBy) ? null : /^\s*(\w+)\s*\(\s*(.+?)\s*\)\s*$/.exec(groupBy);
  if (call === null) {
    const index = columnIndex(scope, table, groupBy);
    return { of: (row) => (isMissing(row[index] ?? '') ? undefined : row[index]) };
  }
  const [, name = '', column = ''] = call;
  const part = name.toLowerCase();
  if (!isDatePart(part)) {
    throw refusal(
      scope,
      `${field} does not support ${shown(name)}. Use a column, or ${Object.keys(DATE_PARTS)
        .map((known) => `${known}(column)`)
        .join(', ')}.`,
    );
  }
  const index = columnIndex(scope, table, column);
  const { order, matters } = await dateOrder(scope, table, index, signal);
  const of = (row: readonly string[]): string | undefined => {
    const date = parseDate(row[index] ?? '', order);
    return date === undefined ? undefined : DATE_PARTS[part](date);
  };
  return matters ? { of, part, dateOrder: order } : { of, part };
}

/** Reads the column once to find the order of its dates. */
async function dateOrder(
  scope: Scope,
  table: Table,
  index: number,
  signal: AbortSignal,
): Promise<{ order: DateOrder; matters: boolean }> {
  let [monthFirst, dayFirst, matters, example] = [0, 0, false, ''];
  for await (const row of table.rows(signal)) {
    const cell = row[index] ?? '';
    const [asMonthFirst, asDayFirst] = [parseDate(cell, 'month-first'), parseDate(cell, 'day-first')];
    if (asMonthFirst !== undefined) monthFirst++;
    if (asDayFirst !== undefined) dayFirst++;
    matters ||= asMonthFirst?.iso !== asDayFirst?.iso;
    example ||= cell;
  }
  if (monthFirst + dayFirst === 0) {
    throw refusal(
      scope,
      `column ${shown(table.columns[index] ?? '')} of ${table.file} has no dates${example === '' ? '' : ` (it has, for example, ${shown(example)})`}. Choose a date column, or group by the column itself.`,
    );
  }
  return { order: betterOrder(monthFirst, dayFirst), matters };
}

/** The figure of a group, or null if it has no numbers. */
export function resultOf(
  total: Totals,
  { aggregate, value }: Pick<GroupRequest, 'aggregate' | 'value'>,
): number | null {
  if (aggregate === 'count') return value === undefined ? total.rows : total.present;
  return rounded(aggregate === 'median' ? median(total.all) : total.numbers[aggregate]);
}

function median(values: number[]): number | undefined {
  values.sort((left, right) => left - right);
  const upper = values[Math.floor(values.length / 2)];
  const lower = values[Math.ceil(values.length / 2) - 1];
  return upper === undefined || lower === undefined ? undefined : (lower + upper) / 2;
}

/** Of groups with equal results, the first one wins. */
function extremes(groups: readonly Group[]): { highest: Group | null; lowest: Group | null } {
  let [highest, lowest]: [Group | null, Group | null] = [null, null];
  for (const group of groups) {
    if (group.result === null) continue;
    if (highest === null || group.result > (highest.result ?? 0)) highest = group;
    if (lowest === null || group.result < (lowest.result ?? 0)) lowest = group;
  }
  return { highest, lowest };
}

/** Sorts numbers by value, weekdays from Monday, and everything else as text. */
export function compareNames(left: string, right: string): number {
  const [leftDay, rightDay] = [WEEKDAYS.indexOf(left), WEEKDAYS.indexOf(right)];
  if (leftDay >= 0 && rightDay >= 0) return leftDay - rightDay;
  const byValue = (parseNumber(left, '.') ?? Number.NaN) - (parseNumber(right, '.') ?? Number.NaN);
  if (byValue) return byValue;
  return left < right ? -1 : left > right ? 1 : 0;
}

function isDatePart(name: string): name is DatePart {
  return Object.hasOwn(DATE_PARTS, name);
}
