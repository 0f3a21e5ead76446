/** Describes a chart as a Vega specification. https://vega.github.io/vega/docs/specification/ */
import type { Axis, Data, Legend, Mark, Scale, Spec } from 'vega';
import type { ChartData, ChartKind } from './data.ts';
import { label, readableX } from './data.ts';

export interface ChartTexts {
  /** Default: see {@link defaultTitle}. */
  readonly title?: string | undefined;
  readonly xLabel?: string | undefined;
  readonly yLabel?: string | undefined;
  /** In small print below the title. */
  readonly subtitle: string;
}

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
const Y_TICKS = 7;
const X_TICKS = 12;
const COLOUR = '#4c78a8';
const TEXT_COLOUR = '#333333';

/** The whole chart. Column names and cells appear in it as values only, never as names or expressions. */
export function chartSpec(chart: ChartKind, data: ChartData, texts: ChartTexts): Spec {
  // Values of a series are parts of a whole, so they are stacked. Different columns need not be.
  const isStacked =
    chart === 'bar' && data.seriesTitle !== '' && (data.aggregate === 'sum' || data.aggregate === 'count');
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width: WIDTH,
    height: HEIGHT,
    padding: 16,
    background: 'white',
    autosize: 'pad',
    title: {
      text: titleLines(texts.title ?? defaultTitle(chart, data)),
      subtitle: label(texts.subtitle),
      anchor: 'start',
      fontSize: 16,
      subtitleFontSize: 11,
      subtitleColor: '#666666',
      subtitlePadding: 4,
      color: TEXT_COLOUR,
      offset: 14,
    },
    data: [marksData(data, isStacked)],
    scales: [xScale(chart, data), yScale(chart, data, isStacked), ...colourScales(chart, data, isStacked)],
    axes: axes(chart, data, texts),
    ...(data.series.length > 0 ? { legends: [legend(chart, data)] } : {}),
    marks:
      chart === 'line' ? lines(data) : chart === 'scatter' ? [dots(data, 30, 0.65)] : [bars(chart, data, isStacked)],
  };
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

function titleLines(text: string): string[] {
  const lines: string[] = [''];
  for (const word of label(text).split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= TITLE_LINE) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`.trim();
  }
  return lines.length > TITLE_LINES ? [...lines.slice(0, TITLE_LINES - 1), `${lines[TITLE_LINES - 1]} …`] : lines;
}

function marksData({ marks, xKind }: ChartData, isStacked: boolean): Data {
  const values = marks.map((mark) => ({ ...mark, described: described(mark, xKind) }));
  if (!isStacked) return { name: 'marks', values };
  return { name: 'marks', values, transform: [{ type: 'stack', groupby: ['x'], field: 'y', as: ['from', 'to'] }] };
}

/** Text of a mark for screen readers. */
function described({ x, y, xEnd, series }: ChartData['marks'][number], xKind: ChartData['xKind']): string {
  const range = xEnd === undefined ? String(readableX(x, xKind)) : `${x} to ${xEnd}`;
  return `${series === '' ? '' : `${series}, `}${range}: ${y}`;
}

function xScale(chart: ChartKind, { xKind, categories }: ChartData): Scale {
  if (xKind === 'category')
    return chart === 'bar'
      ? { name: 'x', type: 'band', domain: [...categories], range: 'width', padding: 0.15 }
      : { name: 'x', type: 'point', domain: [...categories], range: 'width', padding: 0.3 };
  const fields = chart === 'histogram' ? ['x', 'xEnd'] : ['x'];
  const common = { name: 'x', domain: { data: 'marks', fields }, range: 'width' } as const;
  if (xKind === 'time') return { ...common, type: 'utc', nice: false };
  return { ...common, type: 'linear', nice: chart === 'scatter' ? X_TICKS : false, zero: false };
}

function yScale(chart: ChartKind, { marks }: ChartData, isStacked: boolean): Scale {
  const isBar = chart === 'bar' || chart === 'histogram';
  // Equal values alone span no range.
  const isFlat = marks.every(({ y }) => y === marks[0]?.y);
  const domain = isStacked ? { data: 'marks', fields: ['from', 'to'] } : { data: 'marks', field: 'y' };
  return { name: 'y', type: 'linear', domain, range: 'height', nice: Y_TICKS, zero: isBar || isFlat };
}

function colourScales(chart: ChartKind, { series }: ChartData, isStacked: boolean): Scale[] {
  if (series.length === 0) return [];
  const scheme = series.length <= 10 ? 'tableau10' : 'tableau20';
  const colour: Scale = { name: 'colour', type: 'ordinal', domain: [...series], range: { scheme } };
  if (chart !== 'bar' || isStacked) return [colour];
  const range = [0, { signal: "bandwidth('x')" }];
  return [colour, { name: 'beside', type: 'band', domain: [...series], range, paddingInner: 0.05 }];
}

function axes(chart: ChartKind, data: ChartData, { xLabel, yLabel }: ChartTexts): Axis[] {
  const common = {
    labelFontSize: 11,
    titleFontSize: 12,
    titlePadding: 10,
    titleColor: TEXT_COLOUR,
    labelColor: TEXT_COLOUR,
    domainColor: '#888888',
    tickColor: '#888888',
    gridColor: '#e5e5e5',
    labelOverlap: true,
    labelSeparation: 4,
  } as const;
  const yTitle = yLabel ?? data.yTitle;
  return [
    {
      ...common,
      orient: 'left',
      scale: 'y',
      grid: true,
      domain: false,
      ticks: false,
      tickCount: Y_TICKS,
      ...(yTitle === '' ? {} : { title: label(yTitle) }),
      titleLimit: HEIGHT,
    },
    {
      ...common,
      orient: 'bottom',
      scale: 'x',
      grid: chart === 'scatter',
      title: label(xLabel ?? data.xTitle),
      titleLimit: WIDTH,
      ...xLabels(data),
    },
  ];
}

function xLabels({ xKind, categories, marks }: ChartData): Partial<Axis> {
  if (xKind === 'time') return { tickCount: 10 };
  if (xKind === 'number') {
    // Years are shown without a thousands separator.
    const isYears = marks.every(({ x }) => Number.isInteger(x) && Number(x) >= 1_000 && Number(x) < 3_000);
    return isYears ? { tickCount: 10, format: 'd' } : { tickCount: X_TICKS };
  }
  const text = categories.reduce((sum, category) => sum + category.length + 2, 0);
  if (text <= LEVEL_LABELS_TEXT) return { labelLimit: WIDTH };
  const labelOverlap = categories.length > MAX_TURNED_LABELS;
  return { labelAngle: -45, labelAlign: 'right', labelBaseline: 'middle', labelLimit: 170, labelOverlap };
}

function legend(chart: ChartKind, { seriesTitle }: ChartData): Legend {
  return {
    [chart === 'line' ? 'stroke' : 'fill']: 'colour',
    ...(seriesTitle === '' ? {} : { title: label(seriesTitle) }),
    symbolType: chart === 'line' ? 'stroke' : chart === 'scatter' ? 'circle' : 'square',
    symbolStrokeWidth: chart === 'line' ? 2.5 : 0,
    labelFontSize: 11,
    titleFontSize: 12,
    titleLimit: 160,
    labelLimit: 160,
    labelColor: TEXT_COLOUR,
    titleColor: TEXT_COLOUR,
    offset: 20,
  };
}

function bars(chart: ChartKind, { series }: ChartData, isStacked: boolean): Mark {
  const isBeside = chart === 'bar' && series.length > 0 && !isStacked;
  const zero = { scale: 'y', value: 0 } as const;
  const height = isStacked
    ? { y: { scale: 'y', field: 'to' }, y2: { scale: 'y', field: 'from' } }
    : { y: { scale: 'y', field: 'y' }, y2: zero };
  const width =
    chart === 'histogram'
      ? { x: { scale: 'x', field: 'x', offset: 0.5 }, x2: { scale: 'x', field: 'xEnd', offset: -0.5 } }
      : isBeside
        ? {
            x: { scale: 'x', field: 'x', offset: { scale: 'beside', field: 'series' } },
            width: { scale: 'beside', band: 1 },
          }
        : { x: { scale: 'x', field: 'x' }, width: { scale: 'x', band: 1 } };
  return {
    type: 'rect',
    name: 'bars',
    from: { data: 'marks' },
    encode: { enter: { ...width, ...height, fill: colour(series), description: { field: 'described' } } },
  };
}

function lines(data: ChartData): Mark[] {
  const hasSeries = data.series.length > 0;
  const line: Mark = {
    type: 'line',
    name: 'lines',
    from: { data: hasSeries ? 'one-series' : 'marks' },
    encode: {
      enter: {
        x: { scale: 'x', field: 'x' },
        y: { scale: 'y', field: 'y' },
        stroke: colour(data.series),
        strokeWidth: { value: 2 },
        strokeJoin: { value: 'round' },
        ...(hasSeries ? { description: { field: 'series' } } : {}),
      },
    },
  };
  const drawn: Mark = hasSeries
    ? {
        type: 'group',
        from: { facet: { name: 'one-series', data: 'marks', groupby: ['series'] } },
        marks: [line],
      }
    : line;
  const perLine = data.marks.length / Math.max(1, data.series.length);
  return perLine > MAX_DOTS ? [drawn] : [drawn, dots(data, 26, 1)];
}

/** @param size area of a dot in square pixels */
function dots({ series }: ChartData, size: number, opacity: number): Mark {
  return {
    type: 'symbol',
    name: 'points',
    from: { data: 'marks' },
    encode: {
      enter: {
        x: { scale: 'x', field: 'x' },
        y: { scale: 'y', field: 'y' },
        size: { value: size },
        fill: colour(series),
        opacity: { value: opacity },
        description: { field: 'described' },
      },
    },
  };
}

function colour(
  series: readonly string[],
): { readonly value: string } | { readonly scale: string; readonly field: string } {
  return series.length === 0 ? { value: COLOUR } : { scale: 'colour', field: 'series' };
}
