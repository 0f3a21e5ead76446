/** The phrases about tables: profiles, the wettest month, and charts. */
import { z } from 'zod';
import type { Phrase, Places } from './grammar.ts';
import { callTool, CannotDo, type Desk, type Work } from './work.ts';

const Column = z.object({
  name: z.string(),
  type: z.string(),
  min: z.number().nullish(),
  max: z.number().nullish(),
  mean: z.number().nullish(),
  first: z.string().nullish(),
  last: z.string().nullish(),
});
const Profile = z.object({ file: z.string(), rows: z.number(), columns: z.array(Column) });

/** Rows of the queries below: month, total, number of rows. */
const Totals = z.object({ rows: z.array(z.tuple([z.string(), z.number().nullable(), z.number()])) });

interface Total {
  readonly month: string;
  readonly total: number;
  readonly rows: number;
}

const Chart = z.object({
  output: z.string(),
  title: z.string(),
  figures: z.array(z.object({ x: z.unknown(), y: z.number().nullish() })).default([]),
});

/** Parts of a date that a table can be grouped by, and the column that has the date. */
const DATE_PARTS = ['month', 'year', 'weekday'];
const DATE_COLUMN = 'date';

export const profileTable: Phrase['run'] = function* profileTable({ table = '' }) {
  const { file, rows, columns } = read(
    Profile,
    yield* callTool('table_profile', { path: table }, `I profile ${table}.`),
  );
  const dates = columns.find(({ first }) => typeof first === 'string');
  const period = dates ? `, from ${dates.first} to ${dates.last}` : '';
  const lines = columns.map(({ name, type, min, max, mean }) => [name, type, shown(min), shown(max), shown(mean)]);
  return {
    sentence: `\`${file}\` has ${rows} rows and ${columns.length} columns${period}.`,
    body: tableOf(['column', 'type', 'min', 'max', 'mean'], lines),
  };
};

/** The sample task: over all years, and in a single one. */
export const wettestMonth: Phrase['run'] = function* wettestMonth(places, desk) {
  const path = yield* tablePath(places, desk);
  const months = yield* rainPer('%m', path);
  const [single] = yield* rainPer('%Y-%m', path);
  const [first, second] = months;
  if (!first || !second || !single) throw new CannotDo('The table has no months to compare.');
  const [year = '', month = ''] = single.month.split('-');
  const rows = months.map((each, index) =>
    [monthName(each.month), shown(each.total), String(each.rows)].map((cell) => (index === 0 ? `**${cell}**` : cell)),
  );
  return {
    sentence: `The wettest month is ${monthName(first.month)}: total precipitation ${shown(first.total)} over all years, followed by ${monthName(second.month)} with ${shown(second.total)}. The wettest single month is ${monthName(month)} ${year} with ${shown(single.total)}.`,
    body: tableOf(['month', 'total precipitation', 'rows'], rows),
  };
};

/** `plot the mean temp_max and temp_min per month to temperature.svg` */
export const plotChart: Phrase['run'] = function* plotChart(places, desk) {
  const { columns = '', column = '', file = '', chart = column === 'month' ? 'line' : 'bar' } = places;
  const path = yield* tablePath(places, desk);
  const names = columns.split(/\s+and\s+/i);
  const drawn = read(
    Chart,
    yield* callTool(
      'plot_chart',
      {
        path,
        output: file,
        chart,
        x: grouping(column),
        y: names,
        aggregate: places['aggregate'] === 'total' ? 'sum' : 'mean',
      },
      `I draw ${file}.`,
    ),
  );
  const figures = new Map<string, string[]>();
  for (const { x, y } of drawn.figures) {
    const name = String(x);
    figures.set(name, [...(figures.get(name) ?? []), shown(y)]);
  }
  return {
    sentence: `\`${drawn.output}\` shows: ${drawn.title}.`,
    body: `![${drawn.title}](${drawn.output})\n\n${tableOf(
      [column, ...names],
      [...figures].map(([name, values]) => [name, ...values]),
    )}`,
  };
};

/** The months that have a figure, the wettest first. @param format how SQL names a month */
function* rainPer(format: string, path: string): Work<Total[]> {
  const name = path.replaceAll("'", "''");
  const sql = `SELECT strftime(${DATE_COLUMN}, '${format}') AS month, sum(precipitation) AS total, count(*) AS days FROM '${name}' GROUP BY month ORDER BY total DESC`;
  const { rows } = read(Totals, yield* callTool('table_query', { sql }, 'I compute the rain per month.'));
  return rows.flatMap(([month, total, days]) => (total === null ? [] : [{ month, total, rows: days }]));
}

/** The table of the phrase, else of the message, else the only one in the workspace. */
function* tablePath({ table }: Places, desk: Desk): Work<string> {
  const named = table ?? desk.table;
  if (named !== undefined) return named;
  const listed = yield* callTool('list_files', {}, 'I look for the table.');
  const found = [...listed.matchAll(/^(\S+\.(?:csv|tsv)) \(/gm)].map(([, path = '']) => path);
  const [only] = found;
  if (only === undefined || found.length > 1) throw new CannotDo('Name the table, such as `in seattle-weather.csv`.');
  return only;
}

function grouping(group: string): string {
  return DATE_PARTS.includes(group.toLowerCase()) ? `${group.toLowerCase()}(${DATE_COLUMN})` : group;
}

/** `11` is November. */
function monthName(number: string): string {
  return new Date(Date.UTC(2000, Number(number) - 1)).toLocaleString('en', { month: 'long', timeZone: 'UTC' });
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** At most two decimals. */
function shown(value: number | null | undefined): string {
  return value === null || value === undefined ? '' : String(Number(value.toFixed(2)));
}

function read<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    throw new CannotDo(`The tool did not answer in the form that was expected: ${text.slice(0, 200)}`);
  }
}
