/** Describes a chart as a Vega-Lite specification. https://vega.github.io/vega-lite/docs/spec.html */
import type { TopLevelSpec } from 'vega-lite';
import { label } from './columns.ts';
import type { ChartData, ChartKind, ChartTexts } from './request.ts';

/** Size of the plot in pixels, without titles, labels and legend. */
const WIDTH = 680;
const HEIGHT = 380;
/** How many characters of a title fit into one line. */
const TITLE_LINE = 76;
const TITLE_LINES = 3;
/** A line with more points has no dots. */
const MAX_DOTS = 60;
/** How many characters of category labels fit side by side. Longer labels are turned. */
const LEVEL_LABELS_TEXT = 100;
/** How many turned labels fit side by side. Of more labels, some are omitted. */
const MAX_TURNED_LABELS = 45;
const COLOUR = '#4c78a8';

/** The look of every chart, those of a caller's own specification included. */
export const LOOK = {
  background: 'white',
  padding: 16,
  config: {
    title: {
      anchor: 'start',
      fontSize: 16,
      subtitleFontSize: 11,
      subtitleColor: '#666666',
      subtitlePadding: 4,
      color: '#333333',
      offset: 14,
    },
    axis: {
      labelFontSize: 11,
      titleFontSize: 12,
      titlePadding: 10,
      titleColor: '#333333',
      labelColor: '#333333',
      domainColor: '#888888',
      tickColor: '#888888',
      gridColor: '#e5e5e5',
      labelOverlap: true,
      labelSeparation: 4,
    },
    legend: {
      labelFontSize: 11,
      titleFontSize: 12,
      titleLimit: 160,
      labelLimit: 160,
      labelColor: '#333333',
      titleColor: '#333333',
      offset: 20,
    },
    view: { stroke: null },
  },
} as const;

/** The whole chart. Column names and cells appear in it as values only, never as names or expressions. */
export function chartSpec(
  chart: ChartKind,
  data: ChartData,
  texts: ChartTexts & { readonly subtitle: string },
): TopLevelSpec {
  // Values of a series are parts of a whole, so they are stacked. Different columns need not be.
  const isStacked =
    chart === 'bar' && data.seriesTitle !== '' && (data.aggregate === 'sum' || data.aggregate === 'count');
  const hasSeries = data.series.length > 0;
  const isFlat = data.marks.every(({ y }) => y === data.marks[0]?.y);
  const spec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    ...LOOK,
    width: WIDTH,
    height: HEIGHT,
    title: { text: titleLines(texts.title ?? defaultTitle(chart, data)), subtitle: label(texts.subtitle) },
    data: { values: data.marks.map((mark) => ({ ...mark, described: described(mark, data.xKind) })) },
    encoding: {
      x: xChannel(chart, data, texts),
      ...(chart === 'histogram' ? { x2: { field: 'xEnd' } } : {}),
      y: {
        field: 'y',
        type: 'quantitative',
        stack: isStacked ? 'zero' : null,
        title: axisTitle(texts.yLabel ?? data.yTitle),
        axis: { domain: false, ticks: false, tickCount: 7, titleLimit: HEIGHT },
        scale: { nice: 7, zero: chart === 'bar' || chart === 'histogram' || isFlat },
      },
      ...(hasSeries
        ? {
            color: {
              field: 'series',
              type: 'nominal',
              title: axisTitle(data.seriesTitle),
              scale: { domain: [...data.series], scheme: data.series.length <= 10 ? 'tableau10' : 'tableau20' },
              legend:
                chart === 'line'
                  ? { symbolType: 'stroke', symbolStrokeWidth: 2.5 }
                  : { symbolType: chart === 'scatter' ? 'circle' : 'square', symbolStrokeWidth: 0 },
            },
          }
        : {}),
      ...(hasSeries && chart === 'bar' && !isStacked
        ? { xOffset: { field: 'series', type: 'nominal', sort: [...data.series] } }
        : {}),
    },
    layer: layers(chart, data),
  };
  // The literal types of Vega-Lite's unions are lost in the parts above.
  return spec as unknown as TopLevelSpec;
}

function layers(chart: ChartKind, data: ChartData): object[] {
  const described = { encoding: { description: { field: 'described', type: 'nominal' } } };
  const fill = data.series.length > 0 ? {} : { color: COLOUR };
  const dots = (size: number, opacity: number): object => ({
    name: 'points',
    mark: { type: 'point', filled: true, size, opacity, ...fill },
    ...described,
  });
  if (chart === 'scatter') return [dots(30, 0.65)];
  if (chart !== 'line')
    return [
      {
        name: 'bars',
        mark: { type: 'bar', ...(chart === 'histogram' ? { binSpacing: 1 } : {}), ...fill },
        ...described,
      },
    ];
  const line = { name: 'lines', mark: { type: 'line', strokeWidth: 2, strokeJoin: 'round', ...fill } };
  return data.marks.length / Math.max(1, data.series.length) > MAX_DOTS ? [line] : [line, dots(26, 1)];
}

/** Describes what is drawn, if the caller gives no title. */
export function defaultTitle(chart: ChartKind, { xTitle, yTitle, series, seriesTitle }: ChartData): string {
  if (chart === 'histogram') return `Distribution of ${xTitle}`;
  const what = seriesTitle === '' && series.length > 0 ? `${yTitle} ${series.join(' and ')}`.trim() : yTitle;
  const text = `${what} ${chart === 'scatter' ? 'against' : 'by'} ${xTitle}`;
  // A column name keeps its case.
  const begin = chart !== 'scatter' && what.includes(' ') ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return seriesTitle === '' ? begin : `${begin}${chart === 'scatter' ? ', by' : ' and'} ${seriesTitle}`;
}

/** An x for people and agents to read: a time becomes a date. */
export function readableX(x: string | number, xKind: ChartData['xKind']): string | number {
  return xKind === 'time' ? new Date(x).toISOString().replace(/T00:00:00\.000Z$/, '') : x;
}

function titleLines(text: string): string[] {
  const lines: string[] = [''];
  for (const word of label(text).split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= TITLE_LINE) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`.trim();
  }
  return lines.length > TITLE_LINES ? [...lines.slice(0, TITLE_LINES - 1), `${lines[TITLE_LINES - 1]} …`] : lines;
}

/** Text of a mark for screen readers. */
function described({ x, y, xEnd, series }: ChartData['marks'][number], xKind: ChartData['xKind']): string {
  const range = xEnd === undefined ? String(readableX(x, xKind)) : `${x} to ${xEnd}`;
  return `${series === '' ? '' : `${series}, `}${range}: ${y}`;
}

function axisTitle(text: string): string | null {
  return text === '' ? null : label(text);
}

function xChannel(chart: ChartKind, data: ChartData, texts: ChartTexts): object {
  const common = { field: 'x', title: label(texts.xLabel ?? data.xTitle) };
  const axis = { titleLimit: WIDTH, grid: chart === 'scatter' };
  if (data.xKind === 'category')
    return {
      ...common,
      type: 'nominal',
      sort: [...data.categories],
      axis: { ...axis, ...categoryLabels(data.categories) },
    };
  if (data.xKind === 'time')
    return { ...common, type: 'temporal', scale: { type: 'utc', nice: false }, axis: { ...axis, tickCount: 10 } };
  // Years are shown without a thousands separator.
  const isYears = data.marks.every(({ x }) => Number.isInteger(x) && Number(x) >= 1_000 && Number(x) < 3_000);
  return {
    ...common,
    type: 'quantitative',
    ...(chart === 'histogram' ? { bin: 'binned' } : {}),
    scale: { nice: chart === 'scatter' ? 12 : false, zero: false },
    axis: { ...axis, ...(isYears ? { tickCount: 10, format: 'd' } : { tickCount: 12 }) },
  };
}

function categoryLabels(categories: readonly string[]): object {
  const text = categories.reduce((sum, category) => sum + category.length + 2, 0);
  if (text <= LEVEL_LABELS_TEXT) return { labelAngle: 0, labelLimit: WIDTH };
  return {
    labelAngle: -45,
    labelAlign: 'right',
    labelBaseline: 'middle',
    labelLimit: 170,
    labelOverlap: categories.length > MAX_TURNED_LABELS,
  };
}
