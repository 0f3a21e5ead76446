/** The phrases about tables: profiles, the highest and lowest of groups, and charts. */
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

const Group = z.object({ group: z.string(), rows: z.number(), result: z.number().nullable() });
const Groups = z.object({ groups: z.array(Group) });
type Group = z.infer<typeof Group>;

const Chart = z.object({
  output: z.string(),
  title: z.string(),
  figures: z.array(z.object({ x: z.unknown(), y: z.number().nullish(), series: z.string().nullish() })).default([]),
});

/** Parts of a date that a table can be grouped by, and the column that has the date. */
const DATE_PARTS = ['month', 'year', 'weekday'];
const DATE_COLUMN = 'date';
const MONTHS = Array.from({ length: 12 }, (_, month) =>
  new Date(Date.UTC(2000, month)).toLocaleString('en', { month: 'long', timeZone: 'UTC' }),
);

export const profileTable: Phrase['run'] = function* profileTable({ table = '' }, desk) {
  const { file, rows, columns } = read(
    Profile,
    yield* callTool(desk, 'csv_profile', { path: table }, `I profile ${table}.`),
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
  const rain = { ...places, column: 'precipitation', aggregate: 'sum' };
  const months = yield* groupsOf({ ...rain, group: 'month' }, desk);
  const single = (yield* groupsOf({ ...rain, group: 'year_month(date)' }, desk))[0];
  const [first, second] = months;
  if (!first || !second || !single) throw new CannotDo('The table has no months to compare.');
  const [year = '', month = ''] = single.group.split('-');
  return {
    sentence: `The wettest month is ${nameOf(first)}: total precipitation ${shown(first.result)} over all years, followed by ${nameOf(second)} with ${shown(second.result)}. The wettest single month is ${MONTHS[Number(month) - 1]} ${year} with ${shown(single.result)}.`,
    body: rankedTable(['month', 'total precipitation', 'rows'], months),
    value: nameOf(first),
  };
};

/** `find the weather with the highest mean of temp_max` */
export const findGroup: Phrase['run'] = function* findGroup(places, desk) {
  const { group = '', column = '', aggregate = '', end = '' } = places;
  const groups = yield* groupsOf(places, desk);
  const ranked = end.toLowerCase() === 'lowest' ? groups.toReversed() : groups;
  const [first] = ranked;
  if (!first) throw new CannotDo('The table has no groups to compare.');
  return {
    sentence: `The ${group} with the ${end} ${aggregate} of ${column} is ${nameOf(first)}: ${shown(first.result)}.`,
    body: rankedTable([group, `${aggregate} of ${column}`, 'rows'], ranked),
    value: nameOf(first),
  };
};

/** `plot the mean temp_max and temp_min per month to temperature.svg` */
export const plotChart: Phrase['run'] = function* plotChart(places, desk) {
  const { columns = '', group = '', file = '', chart = group === 'month' ? 'line' : 'bar' } = places;
  const path = yield* tablePath(places, desk);
  const names = columns.split(/\s+and\s+/i);
  const drawn = read(
    Chart,
    yield* callTool(
      desk,
      'plot_chart',
      { path, output: file, chart, x: grouping(group), y: names, aggregate: aggregateOf(places) },
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
      [group, ...names],
      [...figures].map(([name, values]) => [name, ...values]),
    )}`,
  };
};

/** The groups that have a figure, the highest first. */
function* groupsOf(places: Places, desk: Desk): Work<Group[]> {
  const { group = '', column = '' } = places;
  const path = yield* tablePath(places, desk);
  const args = { path, group_by: grouping(group), value: column, aggregate: aggregateOf(places) };
  const text = yield* callTool(desk, 'csv_profile', args, `I compute the ${args.aggregate} of ${column} per ${group}.`);
  const { groups } = read(Groups, text);
  return groups.filter(({ result }) => result !== null).toSorted((a, b) => (b.result ?? 0) - (a.result ?? 0));
}

/** The table of the phrase, else of the message, else the only one in the workspace. */
function* tablePath({ table }: Places, desk: Desk): Work<string> {
  const named = table ?? desk.table;
  if (named !== undefined) return named;
  const listed = yield* callTool(desk, 'list_files', {}, 'I look for the table.');
  const found = [...listed.matchAll(/^(\S+\.(?:csv|tsv)) \(/gm)].map(([, path = '']) => path);
  const [only] = found;
  if (only === undefined || found.length > 1) throw new CannotDo('Name the table, such as `in seattle-weather.csv`.');
  return only;
}

function grouping(group: string): string {
  return DATE_PARTS.includes(group.toLowerCase()) ? `${group.toLowerCase()}(${DATE_COLUMN})` : group;
}

function aggregateOf({ aggregate = 'mean' }: Places): string {
  const word = aggregate.toLowerCase();
  return { total: 'sum', average: 'mean' }[word] ?? word;
}

/** `11` is November if the groups are months. */
function nameOf({ group }: Group): string {
  return (/^\d\d$/.test(group) ? MONTHS[Number(group) - 1] : undefined) ?? group;
}

/** The first row stands out. */
function rankedTable(head: readonly string[], groups: readonly Group[]): string {
  const rows = groups.map((group, index) =>
    [nameOf(group), shown(group.result), String(group.rows)].map((cell) => (index === 0 ? `**${cell}**` : cell)),
  );
  return tableOf(head, rows);
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

