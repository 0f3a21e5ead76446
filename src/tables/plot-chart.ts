import { z } from 'zod';
import { defineTool } from '../tools/definition/define-tool.ts';
import { refusal, shown } from '../tools/refusal.ts';
import { writeInside } from '../tools/workspace/content.ts';
import { resolveInside, type Scope } from '../tools/workspace/paths.ts';
import { AGGREGATES, type ChartRequest, CHARTS, MAX_BINS } from './chart/request.ts';
import { ChoiceFields } from './choices.ts';
import { askEngine } from './run-engine.ts';
import { filesNamedIn } from './sql-files.ts';

const MAX_COLUMNS_DRAWN = 6;

const text = () => z.string().min(1).max(300);

const PlotChartInput = z.strictObject({
  output: z.string().describe('SVG file to write, such as "rain.svg".'),
  path: z.string().optional().describe('Table file to draw.'),
  chart: z
    .enum(CHARTS)
    .optional()
    .describe('bar and line: one figure for each x. scatter: one point per row. histogram: distribution of x.'),
  x: z
    .string()
    .min(1)
    .optional()
    .describe(
      'Column of the horizontal axis, or month(column), year(column), year_month(column), weekday(column) of a date column.',
    ),
  y: z
    .array(z.string().min(1))
    .min(1)
    .max(MAX_COLUMNS_DRAWN)
    .optional()
    .describe('Numeric columns. Default: number of rows.'),
  aggregate: z
    .enum(AGGREGATES)
    .optional()
    .describe('Bar and line: how rows with the same x are combined. Default: sum.'),
  series: z.string().min(1).optional().describe('Column to split by: one colour for each value.'),
  bins: z.int().min(1).max(MAX_BINS).optional().describe('Histogram: about how many bars.'),
  title: text().optional().describe('Default: what is drawn.'),
  x_label: text().optional().describe('Default: the column.'),
  y_label: text().optional().describe('Default: the columns.'),
  spec: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Instead of path, chart, x and y: a Vega-Lite specification without data, over the rows of sql.'),
  sql: z.string().min(1).max(20_000).optional().describe('With spec: one SELECT, as for table_query.'),
  ...ChoiceFields,
});
type PlotChartInput = z.output<typeof PlotChartInput>;

/**
 * Gives compact JSON: `{output, chart, title, file, rows, rows_left_out?, every_row?, aggregate?, series?, marks, figures?,
 * notes?}`, or `{output, rows, columns}` for a specification. `marks` counts the bars or points; `figures` lists them if
 * there are at most 60, as `{x, y, series?}`, or as `{from, to, y}` in a histogram.
 */
export const plotChart = defineTool({
  name: 'plot_chart',
  description:
    'Draws a table file as an SVG chart: bar, line, scatter, histogram, or a Vega-Lite specification. It groups by itself: x month(date), y [temp_max], aggregate mean. Returns the figures drawn. In Markdown: ![what it shows](rain.svg).',
  // Drawing the same table again gives the same file, byte for byte.
  effects: 'none',
  category: 'write',
  timeoutMs: 120_000,
  limits:
    'as `table_profile`; SVG files of 200 bars, 5,000 points (a scatter chart of more rows draws an even sample), 20 colours',
  parameters: PlotChartInput,
  subject: { kind: 'path', fields: ['output', 'path'] },
  async subjectPaths({ sql = '' }, { workspace }) {
    return (await filesNamedIn({ tool: 'plot_chart', workspace }, sql)).map(({ path }) => path);
  },
  async run(input, { workspace, signal, requireCurrent }) {
    const scope = { tool: 'plot_chart', workspace, requireCurrent };
    const chart = toRequest(scope, input);
    // A bad output path should fail before the work.
    await resolveInside(scope, input.output, { mustExist: false });
    const files = 'spec' in chart ? await filesNamedIn(scope, chart.sql) : [{ path: input.path ?? '', names: [] }];
    const { decimal, dates } = input;
    const answer = await askEngine(scope, {
      files,
      choices: { decimal, dates },
      ask: { kind: 'chart', chart },
      signal,
    });
    // The process made it of a `DrawnChart`.
    const { svg, facts, notes } = JSON.parse(answer) as { svg: string; facts: object; notes?: readonly string[] };
    const place = await writeInside(scope, input.output, svg);
    return {
      text: JSON.stringify({ output: place.relative, ...facts, ...(notes === undefined ? {} : { notes }) }),
      artifacts: [place.relative],
    };
  },
});

/** Checks which fields go together; the schema cannot. */
function toRequest(scope: Scope, input: PlotChartInput): ChartRequest {
  if (!/[^/]\.svg$/i.test(input.output))
    throw refusal(
      scope,
      `output ${shown(input.output)} is not the name of an SVG file. Use a name that ends with ".svg".`,
    );
  const { spec, sql } = input;
  if (spec !== undefined) {
    if (sql === undefined) throw refusal(scope, 'spec needs sql, the SELECT whose rows it draws. Add it.');
    return { spec, sql: sql.normalize('NFC') };
  }
  if (sql !== undefined) throw refusal(scope, 'sql goes with spec only. Give path, chart and x, or add spec.');
  const { path, chart, x, y = [], series, aggregate, bins } = input;
  if (path === undefined || chart === undefined || x === undefined)
    throw refusal(scope, 'path, chart and x are needed, or spec and sql. Add what is missing.');
  const isGrouped = chart === 'bar' || chart === 'line';
  if (bins !== undefined && chart !== 'histogram') throw refusal(scope, 'bins is only for histograms. Leave it out.');
  if (aggregate !== undefined && !isGrouped)
    throw refusal(scope, `a ${chart} draws single rows and takes no aggregate. Leave it out.`);
  if (chart === 'histogram' && (y.length > 0 || series !== undefined))
    throw refusal(scope, 'a histogram shows only x; the heights are numbers of rows. Leave y and series out.');
  if (chart === 'scatter' && y.length !== 1)
    throw refusal(scope, `a scatter chart needs exactly one column as y, not ${y.length === 0 ? 'none' : y.length}.`);
  if (isGrouped && y.length === 0 && aggregate !== undefined && aggregate !== 'count')
    throw refusal(scope, `aggregate "${aggregate}" needs y, the numeric columns to aggregate. Add it, or use "count".`);
  if (series !== undefined && y.length > 1)
    throw refusal(
      scope,
      'colours show either several columns of y or the series, not both. Give one column of y, or no series.',
    );
  const texts = { title: input.title, xLabel: input.x_label, yLabel: input.y_label };
  return { chart, x, y: [...new Set(y)], series, aggregate, bins, texts };
}
