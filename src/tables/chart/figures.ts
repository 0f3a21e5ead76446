/** Computes the figures of a chart by SQL. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';
import type { OpenTable } from '../engine/open-table.ts';
import { RefusedTable } from '../engine/refused-table.ts';
import { firstRow, rowsOf } from '../engine/rows.ts';
import { type ChartColumn, chartColumn, label, numberColumn, valueLabel } from './columns.ts';
import { type Aggregate, type ChartData, type ColumnChart, type Mark, MAX_BINS } from './request.ts';

const MAX_BARS = 200;
/** Points of a line or scatter chart. More points would show nothing more. */
const MAX_POINTS = 5_000;
const MAX_SERIES = 20;
/** Sums of larger numbers could overflow an axis. */
const MAX_NUMBER = 1e200;

const AGGREGATE_WORDS: Readonly<Record<Aggregate, string>> = {
  sum: 'total',
  mean: 'mean',
  median: 'median',
  min: 'lowest',
  max: 'highest',
  count: 'number of',
};
const AGGREGATE_SQL: Readonly<Record<Aggregate, string>> = {
  sum: 'sum',
  mean: 'avg',
  median: 'median',
  min: 'min',
  max: 'max',
  count: 'count',
};

/** A number that fits on an axis, as a double. */
const onAxis = (column: string): string =>
  `CASE WHEN abs(${column}::DOUBLE) <= ${MAX_NUMBER} THEN ${column}::DOUBLE END`;

export function chartData(connection: DuckDBConnection, table: OpenTable, request: ColumnChart): Promise<ChartData> {
  if (request.chart === 'histogram') return histogram(connection, table, request);
  return request.chart === 'scatter' ? scatter(connection, table, request) : groups(connection, table, request);
}

/** Bars and lines: one figure for each x and each of its series. */
async function groups(connection: DuckDBConnection, table: OpenTable, request: ColumnChart): Promise<ChartData> {
  const aggregate = request.aggregate ?? (request.y.length === 0 ? 'count' : 'sum');
  const x = chartColumn(table, request.x, 'x');
  const split = request.series === undefined ? undefined : chartColumn(table, request.series, 'series');
  const columns = request.y.map((name) => ({
    name: table.columns.find((column) => column.name === name)?.name ?? name,
    sql:
      aggregate === 'count'
        ? chartColumn(table, name, 'y').sql
        : numberColumn(table, name, 'Choose a numeric column as y, or aggregate "count".'),
  }));
  const isContinuous = request.chart === 'line' && x.kind !== 'category';
  const shown = isContinuous && x.kind === 'number' ? onAxis(x.sql) : x.sql;
  // Decimals are added exactly; only the result becomes a double.
  const figures = columns.map(({ sql }, index) => `${AGGREGATE_SQL[aggregate]}(${sql})::DOUBLE AS y${index}`);
  const grouped = `SELECT ${shown} AS x, ${split?.sql ?? "''"} AS s, count(*) AS n${figures.map((figure) => `, ${figure}`).join('')} FROM ${table.view}
    WHERE ${shown} IS NOT NULL AND ${split === undefined ? 'true' : `${split.sql} IS NOT NULL`} GROUP BY ALL`;
  const [count, distinctX, distinctSeries, isPlain] = await firstRow(
    connection,
    `SELECT count(*), count(DISTINCT x), count(DISTINCT s), max(n) = 1 FROM (${grouped})`,
  );
  const seriesCount = columns.length > 1 ? columns.length : split === undefined ? 0 : Number(distinctSeries);
  refuseTooMany(table, request, {
    x: Number(distinctX),
    series: seriesCount,
    marks: Number(count) * Math.max(1, columns.length),
    isCategory: !isContinuous,
  });
  const rows = await rowsOf(
    connection,
    `SELECT ${isContinuous && x.kind === 'time' ? 'epoch_ms(x::TIMESTAMP)::DOUBLE' : 'x'}, s${columns.length === 0 ? ', n::DOUBLE' : columns.map((_, index) => `, y${index}`).join('')} FROM (${grouped}) ORDER BY x, s`,
  );
  const marks = rows.flatMap(([at, series, ...values]) =>
    marksOf({ at, series, values }, { x, split, isContinuous, names: columns.map(({ name }) => name) }),
  );
  const used =
    columns.length === 0 || aggregate === 'count'
      ? 'true'
      : columns.map(({ sql }) => `${sql} IS NOT NULL`).join(' OR ');
  const [kept] = await firstRow(
    connection,
    `SELECT count(*) FROM ${table.view} WHERE ${shown} IS NOT NULL AND ${split === undefined ? 'true' : `${split.sql} IS NOT NULL`} AND (${used})`,
  );
  const figure = isPlain === true && aggregate !== 'count' ? '' : AGGREGATE_WORDS[aggregate];
  return {
    marks,
    xKind: isContinuous ? x.kind : 'category',
    categories: isContinuous ? [] : [...new Set(marks.map((mark) => String(mark.x)))],
    series: columns.length > 1 ? columns.map(({ name }) => label(name)) : seriesLabels(marks, rows, split),
    xTitle: x.title,
    yTitle: columns.length > 1 ? figure : `${figure} ${request.y[0] ?? 'rows'}`.trim(),
    seriesTitle: split?.title ?? '',
    rows: table.rows,
    rowsLeftOut: table.rows - Number(kept),
    aggregate,
  };
}

function marksOf(
  {
    at,
    series,
    values,
  }: { at: DuckDBValue | undefined; series: DuckDBValue | undefined; values: readonly DuckDBValue[] },
  {
    x,
    split,
    isContinuous,
    names,
  }: { x: ChartColumn; split: ChartColumn | undefined; isContinuous: boolean; names: readonly string[] },
): Mark[] {
  const place = isContinuous ? Number(at) : x.part === 'year_month' ? String(at).slice(0, 7) : valueLabel(at, x.part);
  return values.flatMap((value, index): Mark[] => {
    if (value === null || !Number.isFinite(Number(value))) return [];
    const name =
      names.length > 1 ? label(names[index] ?? '') : split === undefined ? '' : valueLabel(series, split.part);
    return [{ x: place, y: rounded(Number(value)), series: name }];
  });
}

/** Series in the order of their values, not of their labels. */
function seriesLabels(
  marks: readonly Mark[],
  rows: readonly (readonly DuckDBValue[])[],
  split: ChartColumn | undefined,
): string[] {
  if (split === undefined) return [];
  const present = new Set(marks.map(({ series }) => series));
  const values = [...new Map(rows.map(([, series]) => [String(series), series])).values()];
  const inOrder = values.toSorted((left, right) =>
    typeof left === 'bigint' || typeof left === 'number'
      ? Number(left) - Number(right)
      : String(left) < String(right)
        ? -1
        : 1,
  );
  return [...new Set(inOrder.map((value) => valueLabel(value, split.part)))].filter((name) => present.has(name));
}

/** One point a row. Of many rows it takes every 2nd, 4th, …, so that the same file always gives the same chart. */
async function scatter(connection: DuckDBConnection, table: OpenTable, request: ColumnChart): Promise<ChartData> {
  const [yName = ''] = request.y;
  const x = chartColumn(table, request.x, 'x');
  if (x.kind === 'category')
    throw new RefusedTable(
      `column ${JSON.stringify(x.title)} of "${table.file}" has neither numbers nor dates. For categories, draw a bar chart.`,
    );
  const y = numberColumn(table, yName, 'Choose a numeric column as y.');
  const split = request.series === undefined ? undefined : chartColumn(table, request.series, 'series');
  const place = x.kind === 'time' ? `epoch_ms(${x.sql}::TIMESTAMP)::DOUBLE` : onAxis(x.sql);
  const points = `SELECT row_number() OVER () - 1 AS place, x, y, s FROM (SELECT ${place} AS x, ${onAxis(y)} AS y, ${split?.sql ?? "''"} AS s FROM ${table.view}) WHERE x IS NOT NULL AND y IS NOT NULL AND s IS NOT NULL`;
  const [count, distinctSeries] = await firstRow(connection, `SELECT count(*), count(DISTINCT s) FROM (${points})`);
  if (Number(count) === 0)
    throw new RefusedTable(
      `"${table.file}" has no rows to draw with x ${JSON.stringify(request.x)} and y ${JSON.stringify(yName)}. Check the columns.`,
    );
  if (split !== undefined) refuseManySeries(request, Number(distinctSeries));
  let everyRow = 1;
  while (Number(count) / everyRow > MAX_POINTS) everyRow *= 2;
  const rows = await rowsOf(connection, `SELECT x, y, s FROM (${points}) WHERE place % ${everyRow} = 0 ORDER BY place`);
  const marks = rows.map(([at, value, series]): Mark => ({
    x: Number(at),
    y: Number(value),
    series: split === undefined ? '' : valueLabel(series, split.part),
  }));
  return {
    marks,
    xKind: x.kind,
    categories: [],
    series: seriesLabels(
      marks,
      rows.map(([at, , series]) => [at ?? null, series ?? null]),
      split,
    ),
    xTitle: request.x,
    yTitle: yName,
    seriesTitle: split?.title ?? '',
    rows: table.rows,
    rowsLeftOut: table.rows - Number(count),
    ...(everyRow === 1 ? {} : { everyRow }),
  };
}

/** Counts rows in ranges of equal width with round borders. */
async function histogram(connection: DuckDBConnection, table: OpenTable, request: ColumnChart): Promise<ChartData> {
  const values = `SELECT ${onAxis(numberColumn(table, request.x, 'Choose a numeric column as x.'))} AS v FROM ${table.view}`;
  const [count, min, max] = (await firstRow(connection, `SELECT count(v), min(v), max(v) FROM (${values})`)).map(
    Number,
  );
  if (count === undefined || min === undefined || max === undefined || count === 0)
    throw new RefusedTable(
      `"${table.file}" has no rows to draw with x ${JSON.stringify(request.x)}. Check the columns.`,
    );
  // Sturges' rule, doubled, because it assumes smooth data and real columns have several peaks.
  const bins = roundBins(min, max, request.bins ?? Math.min(40, 2 * (Math.ceil(Math.log2(count)) + 1)));
  const last = bins.count - 1;
  const rows = await rowsOf(
    connection,
    `SELECT least(${last}, greatest(0, floor(v / ${bins.width})::BIGINT - (${bins.first})))::INTEGER AS bin, count(*)::INTEGER FROM (${values}) WHERE v IS NOT NULL GROUP BY bin`,
  );
  const counts = new Map(rows.map(([bin, size]) => [Number(bin), Number(size)]));
  const border = (place: number): number => Number(((bins.first + place) * bins.width).toPrecision(12));
  return {
    marks: Array.from({ length: bins.count }, (_, place) => ({
      x: border(place),
      xEnd: border(place + 1),
      y: counts.get(place) ?? 0,
      series: '',
    })),
    xKind: 'number',
    categories: [],
    series: [],
    xTitle: request.x,
    yTitle: 'number of rows',
    seriesTitle: '',
    rows: table.rows,
    rowsLeftOut: table.rows - count,
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

function refuseTooMany(
  table: OpenTable,
  request: ColumnChart,
  found: { readonly x: number; readonly series: number; readonly marks: number; readonly isCategory: boolean },
): void {
  if (found.marks === 0)
    throw new RefusedTable(
      `"${table.file}" has no rows to draw with x ${JSON.stringify(request.x)}. Check the columns.`,
    );
  refuseManySeries(request, found.series);
  const coarser = 'Use a coarser x, such as year_month(column) or year(column)';
  if (found.isCategory && found.x > MAX_BARS)
    throw new RefusedTable(
      `x ${JSON.stringify(request.x)} has ${found.x} different values, and a ${request.chart} chart shows ${MAX_BARS} at most. ${coarser}, or a histogram for a column of numbers${request.chart === 'bar' ? ', or a line for dates' : ''}.`,
    );
  if (found.marks > MAX_POINTS)
    throw new RefusedTable(`that makes ${found.marks} points, and a chart shows ${MAX_POINTS} at most. ${coarser}.`);
}

function refuseManySeries({ series }: ColumnChart, found: number): void {
  if (found > MAX_SERIES)
    throw new RefusedTable(
      `series ${JSON.stringify(series ?? '')} has ${found} different values, and a chart shows ${MAX_SERIES} at most. Choose a column with fewer, or leave series out.`,
    );
}

/** Without the noise of binary fractions: 6 decimals, or 6 significant digits below 0.001. */
function rounded(value: number): number {
  // Adding 0 turns -0 into 0.
  return Number(Math.abs(value) < 1e-3 ? value.toPrecision(6) : value.toFixed(6)) + 0;
}
