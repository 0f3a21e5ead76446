/** The data of a chart before it is drawn. */
import type { Aggregate } from '../csv/groups.ts';
import type { Table } from '../csv/table.ts';
import type { CalendarDate, DateOrder, DecimalSign } from '../csv/values.ts';
import { parseDate, parseNumber } from '../csv/values.ts';
import type { Scope } from '../../workspace/paths.ts';

export const CHARTS = ['bar', 'line', 'scatter', 'histogram'] as const;
export type ChartKind = (typeof CHARTS)[number];

export const MAX_BARS = 200;
/** Points of a line or scatter chart. More points would show nothing more. */
export const MAX_POINTS = 5_000;
export const MAX_SERIES = 20;
export const MAX_BINS = 100;
const MAX_NUMBER = 1e200;

export interface ChartRequest {
  readonly chart: ChartKind;
  readonly x: string;
  /** Empty if rows are counted. */
  readonly y: readonly string[];
  readonly series?: string | undefined;
  readonly aggregate?: Aggregate | undefined;
  readonly bins?: number | undefined;
}

/** The table that a chart is made from. */
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
  /** How dates such as 3/4/2012 were read, if that makes a difference. */
  readonly dateOrder?: DateOrder;
}

/** Milliseconds since 1970 of a date, read as UTC, because only distances matter on an axis. */
export function toTime(cell: string, order: DateOrder): number | undefined {
  const date = parseDate(cell, order);
  return date === undefined ? undefined : timeOf(date);
}

function timeOf({ year, month, day, iso }: CalendarDate): number {
  const [hours = 0, minutes = 0, seconds = 0] = (iso.split('T')[1] ?? '').replace(',', '.').split(':').map(Number);
  // The `Date` constructor would read a year below 100 as 19xx; this method does not.
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, day);
  return at.getTime() + ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}

/** A number that fits on an axis. Sums of larger numbers could overflow. */
export function numberIn(cell: string, decimal: DecimalSign): number | undefined {
  const number = parseNumber(cell, decimal);
  return number !== undefined && Math.abs(number) <= MAX_NUMBER ? number : undefined;
}

/** An x for people and agents to read: a time becomes a date. */
export function readableX(x: string | number, xKind: ChartData['xKind']): string | number {
  return xKind === 'time' ? new Date(x).toISOString().replace(/T00:00:00\.000Z$/, '') : x;
}

/** A text for a chart: one line of characters that are valid in SVG. */
export function label(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cs}\uFFFE\uFFFF]+/gu, ' ').trim();
  return plain === '' ? '(empty)' : plain;
}
