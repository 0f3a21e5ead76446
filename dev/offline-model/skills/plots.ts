/** Draws charts: what to draw is understood as a question about a table, the figures and the file are by `plot_chart`. */
import { z } from 'zod';
import type { Action } from '../actions.ts';
import { TABLE_FILE } from '../language.ts';
import { toTable } from './markdown.ts';
import { CannotDo, use, type Desk, type Finding, type Work } from './skill.ts';
import { categories, dateColumn, measures, shownNumber, type Column, type Profile } from './tables/facts.ts';
import { nameMatch, questionsOf, type TableQuestion } from './tables/question.ts';
import { answerFromTables, openTables, withoutFiles } from './tables/tables.ts';

const TOOL = 'plot_chart';
/** Rows of figures below a chart. */
const MAX_ROWS = 31;

const NOUN = '(?:charts?|plots?|graphs?|histograms?|diagrams?|scatter ?plots?)';
const KIND = '(?:(?:new|simple|small|svg|bar|line|column|scatter|monthly|yearly|stacked|grouped)\\s+)*';
const PLOT = new RegExp(
  `^(?:(?:plot|chart|graph|visuali[sz]e)\\b|(?:make|create|generate|produce|prepare|draw|save|show|give me)\\s+(?:(?:me|us)\\s+)?(?:an?\\s+|the\\s+)?${KIND}${NOUN}\\b|(?:an?\\s+|the\\s+)?${KIND}${NOUN}\\s+(?:of|with|for|showing)\\b|draw\\b.*\\.svg\\b)`,
  'i',
);

/** Whether a clause asks for a chart: "plot wind per month", "draw a histogram of price to price.svg". */
export function isPlot(clause: string): boolean {
  return PLOT.test(clause.trim());
}

/** The file that a clause wants its chart in, or undefined. */
export function chartFile({ files }: Pick<Action, 'files'>): string | undefined {
  return files.findLast((file) => !TABLE_FILE.test(file));
}

/** What `plot_chart` takes, less the files. */
interface Plot {
  readonly chart: 'bar' | 'line' | 'scatter' | 'histogram';
  readonly x: string;
  readonly y?: readonly string[];
  readonly aggregate?: string;
  readonly series?: string;
}

export function* drawChart(action: Action, desk: Desk): Work<Finding[]> {
  const clause = withoutFiles(action.text);
  const file = chartFile(action);
  if (!desk.prompt.tools.has(TOOL) && file === undefined) return yield* figuresOnly(action, desk);
  const [profile] = yield* openTables(action, desk, clause);
  if (!profile) throw new CannotDo('There is no table to draw a chart of. Attach one with --attach FILE, or name it.');
  const plot = plotOf(clause.toLowerCase(), profile);
  const output = file ?? `${slug([...(plot.y ?? []), plot.x].join(' '))}.svg`;
  const result = yield* use(TOOL, { path: profile.file, output, ...plot }, `I draw ${output}.`);
  if (result.failed) throw new CannotDo(result.text);
  return [described(result.text, output, profile)];
}

/** Agents without the tool can still say what a chart would show. */
function* figuresOnly(action: Action, desk: Desk): Work<Finding[]> {
  const found = yield* answerFromTables({ ...action, kind: 'table' }, desk);
  const note = `These are the figures only: a chart needs the tool ${TOOL}, which is not offered to this agent.`;
  return found.map((finding, index) => (index > 0 ? finding : { ...finding, sentence: `${finding.sentence} ${note}` }));
}

function plotOf(text: string, profile: Profile): Plot {
  if (/\bscatter|\bagainst\b|\bversus\b|\bvs\b/.test(text)) return scatterOf(text, profile);
  if (/\bhistogram\b|\bdistribution\b/.test(text)) {
    const column = named(text, profile)[0] ?? measures(profile)[0];
    if (!column) throw new CannotDo(`\`${profile.file}\` has no column of numbers for a histogram.`);
    return { chart: 'histogram', x: column.name };
  }
  const series = seriesOf(text, profile);
  const [question] = questionsOf(text.replace(SPLIT, ' '), profile);
  if (!question?.group) return overTime(text, profile, { question, series });
  const { group, aggregate } = question;
  if (question.years || question.month !== undefined || question.where)
    throw new CannotDo('The offline model draws charts of whole tables only, not of single years, months or values.');
  const isTime = group.unit !== 'value' && group.unit !== 'weekday';
  return {
    chart: /\bbars?\b|\bcolumn chart\b/.test(text) || !(isTime || /\blines?\b/.test(text)) ? 'bar' : 'line',
    x: group.by,
    ...(question.value === undefined ? {} : { y: columnsFor(text, question.value, profile, series) }),
    aggregate,
    ...(series === undefined ? {} : { series }),
  };
}

/** "Wind against temp_max": the first is up, the second to the right. */
function scatterOf(text: string, profile: Profile): Plot {
  const [, first = '', second = ''] =
    /^(.*?)\b(?:against|versus|vs\.?|and|by|over|with)\b(.*)$/.exec(text.replace(SPLIT, ' ')) ?? [];
  const [up] = named(first, profile);
  const [across] = named(second, profile).filter(({ name }) => name !== up?.name);
  if (!up || !across)
    throw new CannotDo(
      `A scatter chart needs two columns of numbers, such as "wind against temp". \`${profile.file}\` has ${measures(
        profile,
      )
        .map(({ name }) => name)
        .join(', ')}.`,
    );
  const series = seriesOf(text, profile);
  return { chart: 'scatter', x: across.name, y: [up.name], ...(series === undefined ? {} : { series }) };
}

/** Without a group: the values by date, or by month where a figure is asked for; without dates, how they are spread. */
function overTime(
  text: string,
  profile: Profile,
  { question, series }: { readonly question: TableQuestion | undefined; readonly series: string | undefined },
): Plot {
  const date = dateColumn(profile);
  const column = named(text, profile)[0] ?? measures(profile)[0];
  if (!column) throw new CannotDo(`\`${profile.file}\` has no column of numbers to draw.`);
  if (!date) return { chart: 'histogram', x: column.name };
  const isFigure = question !== undefined && question.aggregate !== 'count';
  return {
    chart: /\bbars?\b/.test(text) ? 'bar' : 'line',
    x: isFigure ? `year_month(${date.name})` : date.name,
    y: columnsFor(text, column.name, profile, series),
    ...(isFigure ? { aggregate: question.aggregate } : {}),
    ...(series === undefined ? {} : { series }),
  };
}

const SPLIT = /\b(?:split|colou?red|separated|grouped|one (?:line|colou?r) (?:for|per)) (?:by |each |every )?(\w+)/i;

function seriesOf(text: string, profile: Profile): string | undefined {
  const wanted = SPLIT.exec(text)?.[1];
  if (wanted === undefined) return undefined;
  const column = categories(profile).find(({ name }) => nameMatch(name, wanted) > 0);
  const date = dateColumn(profile);
  if (column) return column.name;
  return date && /^years?$/.test(wanted) ? `year(${date.name})` : undefined;
}

/** "The temperature" is both temp_max and temp_min. */
function columnsFor(text: string, value: string, profile: Profile, series: string | undefined): string[] {
  const match = nameMatch(value, text);
  if (series !== undefined || match === 0) return [value];
  return measures(profile)
    .filter(({ name }) => nameMatch(name, text) === match)
    .map(({ name }) => name)
    .slice(0, 4);
}

/** Columns of numbers that a text speaks of, the best match first. */
function named(text: string, profile: Profile): Column[] {
  return measures(profile)
    .map((column) => ({ column, match: nameMatch(column.name, text) }))
    .filter(({ match }) => match > 0)
    .toSorted((a, b) => b.match - a.match)
    .map(({ column }) => column);
}

const Answer = z.object({
  title: z.string(),
  rows: z.number(),
  marks: z.number(),
  every_row: z.number().optional(),
  figures: z
    .array(
      z.object({
        x: z.union([z.string(), z.number()]).optional(),
        from: z.number().optional(),
        to: z.number().optional(),
        y: z.number(),
        series: z.string().default(''),
      }),
    )
    .default([]),
});
type Figure = z.infer<typeof Answer>['figures'][number];

/** A finding that shows the chart: reports are put together from such. */
function described(text: string, output: string, { file }: Profile): Finding {
  const answer = Answer.safeParse(parseJson(text)).data;
  if (!answer) throw new CannotDo(`${TOOL} gave no description of the chart: ${text.slice(0, 200)}`);
  const { title, rows, marks, figures } = answer;
  const series = [...new Set(figures.map((figure) => figure.series))];
  const extremes = series.map((name) =>
    extremesOf(
      figures.filter((figure) => figure.series === name),
      name,
    ),
  );
  const said = extremes.length > 0 && extremes.length <= 4 ? ` ${extremes.join(' ')}` : '';
  return {
    title: `${title} in ${file}`,
    sentence: `The chart \`${output}\` shows ${title.charAt(0).toLowerCase()}${title.slice(1)}, ${marks} ${marks === 1 ? 'figure' : 'figures'} from ${rows} rows of \`${file}\`.${said}`,
    body: [`![${title.replace(/[[\]]/g, '')}](${encodeURI(output)})`, ...figuresTable(figures, series)].join('\n\n'),
  };
}

function extremesOf(figures: readonly Figure[], series: string): string {
  const sorted = figures.toSorted((a, b) => b.y - a.y);
  const [highest, lowest] = [sorted[0], sorted.at(-1)];
  if (!highest || !lowest) return '';
  return `${series === '' ? 'It' : series} is highest at ${nameOf(highest)} with ${shownNumber(highest.y)}, lowest at ${nameOf(lowest)} with ${shownNumber(lowest.y)}.`;
}

/** One row for each x, one column for each series. */
function figuresTable(figures: readonly Figure[], series: readonly string[]): string[] {
  const names = [...new Set(figures.map(nameOf))];
  if (names.length === 0 || names.length > MAX_ROWS) return [];
  const at = new Map(figures.map((figure) => [JSON.stringify([nameOf(figure), figure.series]), figure.y]));
  const rows = names.map((name) => [
    name,
    ...series.map((one) => {
      const figure = at.get(JSON.stringify([name, one]));
      return figure === undefined ? '' : shownNumber(figure);
    }),
  ]);
  return [toTable(['', ...series.map((name) => (name === '' ? 'figure' : name))], rows)];
}

function nameOf({ x, from, to }: Figure): string {
  return x === undefined ? `${from} to ${to}` : String(x);
}

function slug(text: string): string {
  return (
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '')
      .slice(0, 60) || 'chart'
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
