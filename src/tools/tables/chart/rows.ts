/** Data of scatter charts and histograms, which show single rows. */
import { betterOrder } from '../csv/columns.ts';
import { compareNames, groupKey } from '../csv/groups.ts';
import { columnIndex } from '../csv/table.ts';
import type { DateOrder } from '../csv/values.ts';
import { isMissing, parseDate, parseNumber } from '../csv/values.ts';
import { refusal, shown } from '../../refusal.ts';
import type { ChartData, ChartRequest, Mark, Source } from './data.ts';
import { label, MAX_BINS, MAX_POINTS, MAX_SERIES, numberIn, toTime } from './data.ts';

/** One point a row. Of many rows it takes every 2nd, 4th, …, so that the same file always gives the same chart. */
export async function scatterData(source: Source, request: ChartRequest): Promise<ChartData> {
  const { scope, table, signal, onRagged } = source;
  const [yName = ''] = request.y;
  const [xIndex, yIndex] = [columnIndex(scope, table, request.x), columnIndex(scope, table, yName)];
  const split =
    request.series === undefined ? undefined : await groupKey(scope, table, request.series, signal, 'series');
  const xType = await typeOf(source, xIndex);
  const names = new Set<string>();
  let marks: Mark[] = [];
  let [rows, drawable, everyRow] = [0, 0, 1];
  for await (const row of table.rows(signal, onRagged)) {
    rows++;
    const cell = row[xIndex] ?? '';
    const x = xType.kind === 'time' ? toTime(cell, xType.order) : numberIn(cell, table.format.decimal);
    const y = numberIn(row[yIndex] ?? '', table.format.decimal);
    const series = split === undefined ? '' : split.of(row);
    if (x === undefined || y === undefined || series === undefined) continue;
    if (split !== undefined) names.add(series);
    if (drawable++ % everyRow === 0) marks.push({ x, y, series: series === '' ? '' : label(series) });
    if (marks.length <= MAX_POINTS) continue;
    everyRow *= 2;
    marks = marks.filter((_, index) => index % 2 === 0);
  }
  if (marks.length === 0) throw refusal(scope, noNumbers(source, yName, 'y'));
  if (names.size > MAX_SERIES)
    throw refusal(
      scope,
      `series ${shown(request.series ?? '')} has ${names.size} different values, and a chart shows ${MAX_SERIES} at most. Choose a column with fewer, or leave series out.`,
    );
  return {
    marks,
    xKind: xType.kind,
    categories: [],
    series: [...names].sort(compareNames).map(label),
    xTitle: request.x,
    yTitle: yName,
    seriesTitle: request.series ?? '',
    rows,
    rowsLeftOut: rows - drawable,
    ...(everyRow === 1 ? {} : { everyRow }),
  };
}

/** Counts rows in ranges of equal width with round borders. */
export async function histogramData(source: Source, request: ChartRequest): Promise<ChartData> {
  const { scope, table, signal, onRagged } = source;
  const index = columnIndex(scope, table, request.x);
  let [rows, count, min, max] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for await (const row of table.rows(signal, onRagged)) {
    rows++;
    const value = numberIn(row[index] ?? '', table.format.decimal);
    if (value === undefined) continue;
    count++;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (count === 0) throw refusal(scope, noNumbers(source, request.x, 'x'));
  // Sturges' rule, doubled, because it assumes smooth data and real columns have several peaks.
  const wanted = request.bins ?? Math.min(40, 2 * (Math.ceil(Math.log2(count)) + 1));
  const bins = roundBins(min, max, wanted);
  const counts = Array.from({ length: bins.count }, () => 0);
  for await (const row of table.rows(signal)) {
    const value = numberIn(row[index] ?? '', table.format.decimal);
    if (value === undefined) continue;
    const at = Math.min(bins.count - 1, Math.max(0, Math.floor(value / bins.width) - bins.first));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  const border = (place: number): number => Number(((bins.first + place) * bins.width).toPrecision(12));
  return {
    marks: counts.map((y, place) => ({ x: border(place), xEnd: border(place + 1), y, series: '' })),
    xKind: 'number',
    categories: [],
    series: [],
    xTitle: request.x,
    yTitle: 'number of rows',
    seriesTitle: '',
    rows,
    rowsLeftOut: rows - count,
  };
}

/** About as many ranges as wanted, at most {@link MAX_BINS}, each 1, 2, 2.5 or 5 times a power of ten wide. */
function roundBins(min: number, max: number, wanted: number): { first: number; count: number; width: number } {
  const span = max - min || Math.abs(max) || 1;
  const power = 10 ** Math.floor(Math.log10(span / wanted));
  const widths = [1, 2, 2.5, 5, 10, 20, 50].map((factor) => factor * power);
  for (const width of widths) {
    const first = Math.floor(min / width);
    const count = Math.max(1, Math.ceil(max / width) - first);
    if (count <= Math.min(MAX_BINS, Math.ceil(wanted * 1.25))) return { first, count, width };
  }
  return { first: Math.floor(min / span), count: 2, width: span };
}

type XType = { readonly kind: 'number' } | { readonly kind: 'time'; readonly order: DateOrder };

/** Numbers or dates, whichever the column has more of. @throws CopilotError `ToolFailed` if it has neither */
async function typeOf(source: Source, index: number): Promise<XType> {
  const { scope, table, signal } = source;
  let [numbers, monthFirst, dayFirst] = [0, 0, 0];
  for await (const row of table.rows(signal)) {
    const cell = row[index] ?? '';
    if (isMissing(cell)) continue;
    if (parseNumber(cell, table.format.decimal) !== undefined) numbers++;
    if (parseDate(cell, 'month-first') !== undefined) monthFirst++;
    if (parseDate(cell, 'day-first') !== undefined) dayFirst++;
  }
  const dates = Math.max(monthFirst, dayFirst);
  if (numbers + dates === 0)
    throw refusal(
      scope,
      `column ${shown(table.columns[index] ?? '')} of ${table.file} has neither numbers nor dates. For categories, draw a bar chart.`,
    );
  return numbers >= dates ? { kind: 'number' } : { kind: 'time', order: betterOrder(monthFirst, dayFirst) };
}

function noNumbers({ table }: Source, column: string, field: string): string {
  return `column ${shown(column)} of ${table.file} has no numbers to draw. Choose a numeric column as ${field}.`;
}
