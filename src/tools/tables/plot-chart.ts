import { z } from 'zod';
import type { Tool } from '../../contracts/tool.ts';
import type { ChartData, ChartRequest, Source } from './chart/data.ts';
import { CHARTS, MAX_BINS, readableX } from './chart/data.ts';
import { groupedData } from './chart/groups.ts';
import { renderSvg } from './chart/render.ts';
import { histogramData, scatterData } from './chart/rows.ts';
import { chartSpec, defaultTitle } from './chart/spec.ts';
import { AGGREGATES } from './csv/groups.ts';
import { openTable, RaggedRows } from './csv/table.ts';
import { refusal, shown } from '../refusal.ts';
import { writeInside } from '../workspace/content.ts';
import { resolveInside, type Scope } from '../workspace/paths.ts';

/** How many figures the result repeats, so that the agent can describe the chart without another call. */
const MAX_FIGURES_TOLD = 60;
const MAX_COLUMNS_DRAWN = 6;

const text = () => z.string().min(1).max(300);

const PlotChartInput = z.strictObject({
  path: z.string().describe('CSV or TSV file with a header line, relative to the workspace.'),
  output: z
    .string()
    .describe('SVG file to write, relative to the workspace, such as "rain.svg". An existing file is replaced.'),
  chart: z
    .enum(CHARTS)
    .describe(
      'bar: one figure per category. line: over time or numbers. scatter: one point per row. histogram: distribution of one numeric column.',
    ),
  x: z
    .string()
    .min(1)
    .describe(
      'Column of the horizontal axis. Bar and line also take, for a date column, month(column) for the calendar month over all years, year(column), year_month(column) or weekday(column).',
    ),
  y: z
    .array(z.string().min(1))
    .min(1)
    .max(MAX_COLUMNS_DRAWN)
    .optional()
    .describe('Numeric columns of the vertical axis; each gets its own line or bars. Default: number of rows.'),
  aggregate: z
    .enum(AGGREGATES)
    .optional()
    .describe('Bar and line: how to combine rows with the same x. Default: sum of y; without y, count.'),
  series: z
    .string()
    .min(1)
    .optional()
    .describe('Column to split by: one colour for each value, at most 20. year(column) and the like work too.'),
  bins: z
    .int()
    .min(1)
    .max(MAX_BINS)
    .optional()
    .describe('Histogram: approximate number of bars. Default: depends on the number of rows.'),
  title: text().optional().describe('Title of the chart. Default: describes what is drawn.'),
  x_label: text().optional().describe('Title of the horizontal axis. Default: the column name.'),
  y_label: text().optional().describe('Title of the vertical axis, with the unit. Default: aggregate and column.'),
});
type PlotChartInput = z.output<typeof PlotChartInput>;

/**
 * Gives compact JSON: `{output, chart, title, file, rows, rows_left_out?, every_row?, aggregate?, series?, marks, figures?,
 * date_order?, ragged_rows?}`. `marks` counts the bars or points; `figures` lists them if there are at most 60,
 * as `{x, y, series?}`, or as `{from, to, y}` in a histogram.
 */
export const plotChart: Tool<typeof PlotChartInput> = {
  name: 'plot_chart',
  description:
    'Draws a chart of a table (CSV, TSV) into an SVG file of the workspace: bar, line, scatter or histogram. It groups and aggregates by itself: x month(date), y [temp_max], aggregate mean is one point per month. Returns JSON with the figures drawn. To show the file in Markdown write ![what it shows](chart.svg).',
  // Drawing the same table again gives the same file, byte for byte.
  effects: 'none',
  category: 'write',
  timeoutMs: 120_000,
  input: PlotChartInput,
  async run(input, { workspace, signal }) {
    const scope = { tool: 'plot_chart', workspace };
    checkRequest(scope, input);
    // A bad output path should fail before the work.
    await resolveInside(scope, input.output, { mustExist: false });
    const table = await openTable(scope, input.path, signal);
    const ragged = new RaggedRows();
    const data = await readData({ scope, table, signal, onRagged: ragged.add }, toRequest(input));
    const subtitle = `${table.file}, ${data.rows} rows${data.everyRow === undefined ? '' : ` (one of ${data.everyRow} is drawn)`}`;
    const texts = { title: input.title, xLabel: input.x_label, yLabel: input.y_label, subtitle };
    signal.throwIfAborted();
    const svg = await renderSvg(chartSpec(input.chart, data, texts));
    const place = await writeInside(scope, input.output, svg);
    const answer = {
      output: place.relative,
      chart: input.chart,
      title: input.title ?? defaultTitle(input.chart, data),
      file: table.file,
      ...facts(data),
      ...ragged.report(),
    };
    return { text: JSON.stringify(answer), artifacts: [place.relative] };
  },
};

function toRequest({ chart, x, y = [], series, aggregate, bins }: PlotChartInput): ChartRequest {
  return { chart, x, y: [...new Set(y)], series, aggregate, bins };
}

function readData(source: Source, request: ChartRequest): Promise<ChartData> {
  if (request.chart === 'histogram') return histogramData(source, request);
  return request.chart === 'scatter' ? scatterData(source, request) : groupedData(source, request);
}

/** Checks which fields go together; the schema cannot. */
function checkRequest(scope: Scope, { chart, output, y, series, aggregate, bins }: PlotChartInput): void {
  if (!/[^/]\.svg$/i.test(output))
    throw refusal(scope, `output ${shown(output)} is not the name of an SVG file. Use a name that ends with ".svg".`);
  const isGrouped = chart === 'bar' || chart === 'line';
  if (bins !== undefined && chart !== 'histogram') throw refusal(scope, 'bins is only for histograms. Leave it out.');
  if (aggregate !== undefined && !isGrouped)
    throw refusal(scope, `a ${chart} draws single rows and takes no aggregate. Leave it out.`);
  if (chart === 'histogram' && (y !== undefined || series !== undefined))
    throw refusal(scope, 'a histogram shows only x; the heights are numbers of rows. Leave y and series out.');
  if (chart === 'scatter' && y?.length !== 1)
    throw refusal(scope, `a scatter chart needs exactly one column as y, not ${y?.length ?? 'none'}.`);
  if (isGrouped && y === undefined && aggregate !== undefined && aggregate !== 'count')
    throw refusal(scope, `aggregate "${aggregate}" needs y, the numeric columns to aggregate. Add it, or use "count".`);
  if (series !== undefined && (y?.length ?? 0) > 1)
    throw refusal(
      scope,
      'colours show either several columns of y or the series, not both. Give one column of y, or no series.',
    );
}

function facts(data: ChartData): Record<string, unknown> {
  const { marks, xKind, rows, rowsLeftOut, everyRow, aggregate, series, dateOrder } = data;
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
    ...(dateOrder === undefined ? {} : { date_order: dateOrder }),
  };
}
