/** Draws a chart of the open tables. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { OpenTable } from '../engine/open-table.ts';
import { runQuery } from '../engine/query.ts';
import { RefusedTable } from '../engine/refused-table.ts';
import { chartData } from './figures.ts';
import { renderSvg } from './render.ts';
import type { ChartData, ChartRequest, ColumnChart, SpecifiedChart } from './request.ts';
import { chartSpec, defaultTitle, LOOK, readableX } from './spec.ts';

/** How many figures the result repeats, so that the agent can describe the chart without another call. */
const MAX_FIGURES_TOLD = 60;
/** Rows that a specification of the caller's own is given. */
const MAX_SPEC_ROWS = 20_000;

/** The SVG text, and what the agent is told of it. */
export interface DrawnChart {
  readonly svg: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export async function drawChart(
  connection: DuckDBConnection,
  tables: readonly OpenTable[],
  request: ChartRequest,
): Promise<DrawnChart> {
  return 'spec' in request ? drawSpecified(connection, tables, request) : drawColumns(connection, tables, request);
}

async function drawColumns(
  connection: DuckDBConnection,
  tables: readonly OpenTable[],
  request: ColumnChart,
): Promise<DrawnChart> {
  const [table] = tables;
  if (table === undefined) throw new Error('A chart of columns needs one table.');
  const data = await chartData(connection, table, request);
  const subtitle = `${table.file}, ${data.rows} rows${data.everyRow === undefined ? '' : ` (one of ${data.everyRow} is drawn)`}`;
  const svg = await renderSvg(chartSpec(request.chart, data, { ...request.texts, subtitle }));
  return {
    svg,
    facts: {
      chart: request.chart,
      title: request.texts.title ?? defaultTitle(request.chart, data),
      file: table.file,
      ...factsOf(data),
      ...table.facts,
    },
  };
}

function factsOf(data: ChartData): Record<string, unknown> {
  const { marks, xKind, rows, rowsLeftOut, everyRow, aggregate, series } = data;
  const figures = marks.map(({ x, xEnd, y, series: name }) =>
    xEnd === undefined
      ? { x: readableX(x, xKind), y, ...(name === '' ? {} : { series: name }) }
      : { from: x, to: xEnd, y },
  );
  return {
    rows,
    ...(rowsLeftOut > 0 ? { rows_left_out: rowsLeftOut } : {}),
    ...(everyRow === undefined ? {} : { every_row: everyRow }),
    ...(aggregate === undefined ? {} : { aggregate }),
    ...(series.length > 0 ? { series } : {}),
    marks: marks.length,
    ...(figures.length <= MAX_FIGURES_TOLD ? { figures } : {}),
  };
}

/** The specification draws the rows of the query. Data of its own is replaced. */
async function drawSpecified(
  connection: DuckDBConnection,
  tables: readonly OpenTable[],
  { spec, sql }: SpecifiedChart,
): Promise<DrawnChart> {
  const { columns, rows, more_rows: hasMore } = await runQuery(connection, sql, { tables, maxRows: MAX_SPEC_ROWS });
  if (hasMore === true)
    throw new RefusedTable(`the SQL gives more than ${MAX_SPEC_ROWS} rows for a chart. Aggregate them.`);
  // A chart needs no exact digits.
  const values = (JSON.parse(JSON.stringify(rows)) as unknown[][]).map((row) =>
    Object.fromEntries(columns.map((column, index) => [column, row[index]])),
  );
  const { $schema: language } = spec;
  const isVega = typeof language === 'string' && /\/vega\/v\d/.test(language);
  const data = isVega
    ? [
        { name: 'table', values },
        ...(Array.isArray(spec['data']) ? spec['data'].filter((one: { name?: unknown }) => one.name !== 'table') : []),
      ]
    : { values };
  try {
    // What is wrong in the caller's specification becomes an error of the renderer.
    const svg = await renderSvg({ ...LOOK, ...(isVega ? { config: undefined } : {}), ...spec, data } as Parameters<
      typeof renderSvg
    >[0]);
    return { svg, facts: { rows: rows.length, columns } };
  } catch (error) {
    throw new RefusedTable(
      `the specification cannot be drawn: ${error instanceof Error ? error.message : String(error)} Correct it.`,
      { cause: error },
    );
  }
}
