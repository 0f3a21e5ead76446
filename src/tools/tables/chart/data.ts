/** What a chart shows, before anything is drawn. */
import type { Aggregate } from '../csv/groups.ts';
import type { Table } from '../csv/table.ts';
import type { CalendarDate, DateOrder, DecimalSign } from '../csv/values.ts';
import { parseDate, parseNumber } from '../csv/values.ts';
import type { Scope } from '../../workspace/paths.ts';

export const CHARTS = ['bar', 'line', 'scatter', 'histogram'] as const;
export type ChartKind = (typeof CHARTS)[number];

export const MAX_BARS = 200;
/** Points of a line or scatter chart: more is more ink, and no more to see. */
export const MAX_POINTS = 5_000;
export const MAX_SERIES = 20;
export const MAX_BINS = 100;
const MAX_NUMBER = 1e200;

export interface ChartRequest {
  readonly chart: ChartKind;
  readonly x: string;
  /** Empty where rows are counted. */
  readonly y: readonly string[];
  readonly series?: string | undefined;
  readonly aggregate?: Aggregate | undefined;
  readonly bins?: number | undefined;
}

/** What a chart is made from, for the functions that read it. */
export interface Source {
  readonly scope: Scope;
  readonly table: Table;
  readonly signal: AbortSignal;
  readonly onRagged: (ragged: { readonly row: number; readonly fields: number }) => void;
}

/** A bar or point. */
export interface Mark {
  /** A category's label, a number, or milliseconds since 1970 (UTC). */
  readonly x: string | number;
  /** Where a bar of a histogram ends. */
  readonly xEnd?: number;
  readonly y: number;
  /** Empty where there is but one. */
  readonly series: string;
}

export interface ChartData {
  readonly marks: readonly Mark[];
  readonly xKind: 'category' | 'number' | 'time';
  /** In the order in which they are drawn; none where x is no category. */
  readonly categories: readonly string[];
  /** In the order of the legend; none where there is but one. */
  readonly series: readonly string[];
  /** What is on the axes, in words; empty where the legend says it. */
  readonly xTitle: string;
  readonly yTitle: string;
  readonly seriesTitle: string;
  /** Of the table. */
  readonly rows: number;
  /** Rows without an x, or without a number for any y. */
  readonly rowsLeftOut: number;
  /** Set where a scatter chart shows only every so manieth row. */
  readonly everyRow?: number;
  /** What figures of bars and lines are. */
  readonly aggregate?: Aggregate;
  /** How dates such as 3/4/2012 were read, where that makes a difference. */
  readonly dateOrder?: DateOrder;
}

/** Milliseconds since 1970 of a cell that is a date, as if all were UTC: only distances matter on an axis. */
export function toTime(cell: string, order: DateOrder): number | undefined {
  const date = parseDate(cell, order);
  return date === undefined ? undefined : timeOf(date);
}

function timeOf({ year, month, day, iso }: CalendarDate): number {
  const [hours = 0, minutes = 0, seconds = 0] = (iso.split('T')[1] ?? '').replace(',', '.').split(':').map(Number);
  // Years below 100 are what they say only here.
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return at.getTime() + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

/** A number that has a place on an axis: `1e999` is none, and sums of what is larger may overflow. */
export function numberIn(cell: string, decimal: DecimalSign): number | undefined {
  const number = parseNumber(cell, decimal);
  return number !== undefined && Math.abs(number) <= MAX_NUMBER ? number : undefined;
}

/** An x as people and agents read it: a date where it is a time. */
export function readableX(x: string | number, xKind: ChartData['xKind']): string | number {
  return xKind === 'time' ? new Date(x).toISOString().replace(/T00:00:00\.000Z$/, '') : x;
}

/** What a chart shows of a text: one line of characters that an SVG file may have. */
export function label(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]+/gu, ' ').trim();
  return plain === '' ? '(empty)' : plain;
}
