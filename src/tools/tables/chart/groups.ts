/** Data of bars and lines: one figure for each x and each of its series. */
import type { Aggregate, DatePart, GroupKey, Totals } from '../csv/groups.ts';
import { addCell, compareNames, groupKey, newTotals, resultOf } from '../csv/groups.ts';
import { betterOrder } from '../csv/columns.ts';
import { columnIndex } from '../csv/table.ts';
import type { DateOrder } from '../csv/values.ts';
import { parseDate } from '../csv/values.ts';
import { refusal, shown } from '../../refusal.ts';
import type { ChartData, ChartRequest, Mark, Source } from './data.ts';
import { label, MAX_BARS, MAX_POINTS, MAX_SERIES, numberIn, toTime } from './data.ts';

/** How many figures are held while reading. */
const MAX_FIGURES_READ = 50_000;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const AGGREGATE_WORDS: Readonly<Record<Aggregate, string>> = {
  sum: 'total',
  mean: 'mean',
  median: 'median',
  min: 'lowest',
  max: 'highest',
  count: 'number of',
};
const PART_TITLES: Readonly<Record<DatePart, string>> = {
  month: 'month',
  year: 'year',
  year_month: 'month',
  weekday: 'weekday',
};

interface Figures {
  /** By x, then by series. */
  readonly totals: ReadonlyMap<string, ReadonlyMap<string, Totals>>;
  readonly series: readonly string[];
  readonly rows: number;
  readonly rowsLeftOut: number;
  /** Whether every figure is the value of a single row. */
  readonly isPlain: boolean;
}

/** @throws CopilotError `ToolFailed` if columns do not fit, or there is more than a chart can show */
export async function groupedData(source: Source, request: ChartRequest): Promise<ChartData> {
  const { scope, table, signal } = source;
  const aggregate = request.aggregate ?? (request.y.length === 0 ? 'count' : 'sum');
  const key = await groupKey(scope, table, request.x, signal, 'x');
  const split =
    request.series === undefined ? undefined : await groupKey(scope, table, request.series, signal, 'series');
  const figures = await readFigures(source, { ...request, aggregate }, { key, split });
  const axis = axisOf([...figures.totals.keys()], key, request, table.format.decimal);
  const marks = [...figures.totals].flatMap(([x, bySeries]) =>
    [...bySeries].flatMap(([series, total]): Mark[] => {
      const y = resultOf(total, { aggregate, value: request.y[0] });
      return y === null ? [] : [{ x: axis.of(x), y, series: series === '' ? '' : seriesLabel(series, split) }];
    }),
  );
  checkCounts(source, request, { marks, axis, figures });
  const [onlyY = 'rows'] = request.y;
  const figure = figures.isPlain && aggregate !== 'count' ? '' : AGGREGATE_WORDS[aggregate];
  const dateOrder = key.dateOrder ?? axis.dateOrder;
  return {
    marks: marks.toSorted((left, right) => axis.compare(left.x, right.x)),
    xKind: axis.kind,
    categories: axis.categories,
    series: figures.series.map((series) => seriesLabel(series, split)),
    xTitle: key.part === undefined ? request.x : PART_TITLES[key.part],
    yTitle: request.y.length > 1 ? figure : `${figure} ${onlyY}`.trim(),
    seriesTitle: split === undefined ? '' : split.part === undefined ? (request.series ?? '') : PART_TITLES[split.part],
    rows: figures.rows,
    rowsLeftOut: figures.rowsLeftOut,
    aggregate,
    ...(dateOrder === undefined ? {} : { dateOrder }),
  };
}

async function readFigures(
  { scope, table, signal, onRagged }: Source,
  request: ChartRequest & { readonly aggregate: Aggregate },
  { key, split }: { readonly key: GroupKey; readonly split: GroupKey | undefined },
): Promise<Figures> {
  const columns = request.y.map((name) => ({ name, index: columnIndex(scope, table, name), numbers: 0 }));
  const totals = new Map<string, Map<string, Totals>>();
  const names = new Set<string>();
  const options = { decimal: table.format.decimal, aggregate: request.aggregate };
  let [rows, rowsLeftOut, figures, isPlain] = [0, 0, 0, true];
  const add = (x: string, series: string, cell: string): string => {
    const bySeries = totals.get(x) ?? new Map<string, Totals>();
    totals.set(x, bySeries);
    const total = bySeries.get(series) ?? newTotals();
    if (total.rows === 0 && ++figures > MAX_FIGURES_READ)
      throw refusal(scope, `x and series give more than ${MAX_FIGURES_READ} figures. Use a coarser x or series.`);
    bySeries.set(series, total);
    if (series !== '') names.add(series);
    isPlain &&= total.rows === 0;
    return addCell(total, cell, options);
  };
  for await (const row of table.rows(signal, onRagged)) {
    rows++;
    const [x, series] = [key.of(row), split === undefined ? '' : split.of(row)];
    if (x === undefined || series === undefined) {
      rowsLeftOut++;
      continue;
    }
    if (columns.length === 0) add(x, series, '');
    let hasNumber = columns.length === 0 || request.aggregate === 'count';
    for (const column of columns) {
      const kind = add(x, columns.length > 1 ? column.name : series, row[column.index] ?? '');
      if (kind !== 'number') continue;
      column.numbers++;
      hasNumber = true;
    }
    if (!hasNumber) rowsLeftOut++;
  }
  const empty = request.aggregate === 'count' ? undefined : columns.find(({ numbers }) => numbers === 0);
  if (empty !== undefined)
    throw refusal(
      scope,
      `column ${shown(empty.name)} of ${table.file} has no numbers to draw. Choose a numeric column as y, or aggregate "count".`,
    );
  const ofColumns = columns.length > 1 ? columns.map(({ name }) => name) : [...names].sort(compareNames);
  return { totals, series: ofColumns, rows, rowsLeftOut, isPlain };
}

interface Axis {
  readonly kind: ChartData['xKind'];
  readonly categories: readonly string[];
  readonly of: (group: string) => string | number;
  readonly compare: (left: string | number, right: string | number) => number;
  readonly dateOrder?: DateOrder;
}

/** Bars are categories, each with its label. A line runs over numbers or time if x has them. */
function axisOf(groups: readonly string[], { part }: GroupKey, { chart }: ChartRequest, decimal: '.' | ','): Axis {
  const isContinuous = chart === 'line' && (part === undefined || part === 'year_month');
  if (isContinuous && groups.every((group) => numberIn(group, decimal) !== undefined))
    return { kind: 'number', categories: [], of: (group) => numberIn(group, decimal) ?? 0, compare: byNumber };
  const order = isContinuous ? dateOrderOf(groups) : undefined;
  if (order !== undefined) {
    const other: DateOrder = order === 'day-first' ? 'month-first' : 'day-first';
    const matters = groups.some((group) => toTime(group, order) !== toTime(group, other));
    return {
      kind: 'time',
      categories: [],
      of: (group) => toTime(group, order) ?? 0,
      compare: byNumber,
      ...(matters ? { dateOrder: order } : {}),
    };
  }
  const of = (group: string): string => (part === 'month' ? (MONTHS[Number(group) - 1] ?? group) : label(group));
  const categories = [...new Set([...groups].sort(compareNames).map(of))];
  const places = new Map(categories.map((category, place) => [category, place]));
  const place = (x: string | number): number => places.get(String(x)) ?? 0;
  return { kind: 'category', categories, of, compare: (left, right) => place(left) - place(right) };
}

/** The order that makes all groups dates, or undefined. */
function dateOrderOf(groups: readonly string[]): DateOrder | undefined {
  const fitting = (order: DateOrder): number => groups.filter((group) => parseDate(group, order) !== undefined).length;
  const [monthFirst, dayFirst] = [fitting('month-first'), fitting('day-first')];
  return Math.max(monthFirst, dayFirst) === groups.length ? betterOrder(monthFirst, dayFirst) : undefined;
}

function checkCounts(
  { scope, table }: Source,
  { chart, x, series }: ChartRequest,
  { marks, axis, figures }: { readonly marks: readonly Mark[]; readonly axis: Axis; readonly figures: Figures },
): void {
  if (marks.length === 0)
    throw refusal(scope, `${table.file} has no rows to draw with x ${shown(x)}. Check the columns.`);
  if (figures.series.length > MAX_SERIES)
    throw refusal(
      scope,
      `series ${shown(series ?? '')} has ${figures.series.length} different values, and a chart shows ${MAX_SERIES} at most. Choose a column with fewer, or leave series out.`,
    );
  const coarser = 'Use a coarser x, such as year_month(column) or year(column)';
  if (axis.kind === 'category' && axis.categories.length > MAX_BARS)
    throw refusal(
      scope,
      `x ${shown(x)} has ${axis.categories.length} different values, and a ${chart} chart shows ${MAX_BARS} at most. ${coarser}, or a histogram for a column of numbers${chart === 'bar' ? ', or a line for dates' : ''}.`,
    );
  if (marks.length > MAX_POINTS)
    throw refusal(scope, `that makes ${marks.length} points, and a chart shows ${MAX_POINTS} at most. ${coarser}.`);
}

function seriesLabel(series: string, split: GroupKey | undefined): string {
  return split?.part === 'month' ? (MONTHS[Number(series) - 1] ?? series) : label(series);
}

function byNumber(left: string | number, right: string | number): number {
  return Number(left) - Number(right);
}
