/** What a chart is asked to show, and the figures that it shows. */
export const CHARTS = ['bar', 'line', 'scatter', 'histogram'] as const;
export type ChartKind = (typeof CHARTS)[number];
export const AGGREGATES = ['sum', 'mean', 'min', 'max', 'count', 'median'] as const;
export type Aggregate = (typeof AGGREGATES)[number];

export const MAX_BINS = 100;

export interface ChartTexts {
  /** Default: it describes what is drawn. */
  readonly title?: string | undefined;
  readonly xLabel?: string | undefined;
  readonly yLabel?: string | undefined;
}

export interface ColumnChart {
  readonly chart: ChartKind;
  readonly x: string;
  /** Empty if rows are counted. */
  readonly y: readonly string[];
  readonly series?: string | undefined;
  readonly aggregate?: Aggregate | undefined;
  readonly bins?: number | undefined;
  readonly texts: ChartTexts;
}

/** A specification of the caller's own, over the rows of a query. */
export interface SpecifiedChart {
  readonly spec: Readonly<Record<string, unknown>>;
  readonly sql: string;
}

export type ChartRequest = ColumnChart | SpecifiedChart;

/** A bar or point. */
export interface Mark {
  /** A category's label, a number, or milliseconds since 1970 (UTC). */
  readonly x: string | number;
  /** End of a histogram's bar. */
  readonly xEnd?: number;
  readonly y: number;
  /** Empty if there is only one. */
  readonly series: string;
}

export interface ChartData {
  readonly marks: readonly Mark[];
  readonly xKind: 'category' | 'number' | 'time';
  /** In drawing order; empty unless x is a category. */
  readonly categories: readonly string[];
  /** In the order of the legend; empty if there is only one. */
  readonly series: readonly string[];
  /** Titles of the axes; empty if the legend says it. */
  readonly xTitle: string;
  readonly yTitle: string;
  readonly seriesTitle: string;
  /** Rows of the table. */
  readonly rows: number;
  /** Rows without an x, or without a number for any y. */
  readonly rowsLeftOut: number;
  /** Set to n if a scatter chart shows only every n-th row. */
  readonly everyRow?: number;
  /** How the figures of bars and lines were computed. */
  readonly aggregate?: Aggregate;
}
