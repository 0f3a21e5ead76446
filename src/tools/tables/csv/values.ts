/** Interprets the text of one cell. */

/** Cells that count as missing, in lower case. */
const MISSING: ReadonlySet<string> = new Set(['', 'na', 'n/a', 'nan', 'null', 'none']);
const BOOLEANS: ReadonlySet<string> = new Set(['true', 'false', 'yes', 'no']);

const POINT_NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const POINT_NUMBER_IN_GROUPS = /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
const COMMA_NUMBER = /^[+-]?(?:\d+,?\d*|,\d+)(?:e[+-]?\d+)?$/i;
const COMMA_NUMBER_IN_GROUPS = /^[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?$/;

const TIME = String.raw`(?:[T ]+(\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)\s*(?:Z|[+-]\d{2}:?\d{2})?)?`;
const YEAR_FIRST = new RegExp(`^(\\d{4})([-/.])(\\d{1,2})(?:\\2(\\d{1,2})${TIME})?$`, 'i');
const YEAR_LAST = new RegExp(`^(\\d{1,2})([-/.])(\\d{1,2})\\2(\\d{4})${TIME}$`, 'i');
const MONTH_NAME_FIRST = /^([a-z]{3,9})\.? +(\d{1,2}),? +(\d{4})$/i;
const MONTH_NAME_SECOND = /^(\d{1,2})[ -]([a-z]{3,9})\.?,?[ -](\d{4})$/i;
const MONTHS = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];

export type DecimalSign = '.' | ',';
/** How `3/4/2012` is read. Dates with points (`3.4.2012`) always have the day first. */
export type DateOrder = 'month-first' | 'day-first';

/** A calendar date as written; time zones are ignored. */
export interface CalendarDate {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** `YYYY-MM-DD`, followed by `THH:MM:SS` if the cell has a time. Sorts chronologically. */
  readonly iso: string;
}

export function isMissing(cell: string): boolean {
  return MISSING.has(cell.toLowerCase());
}

export function isBoolean(cell: string): boolean {
  return BOOLEANS.has(cell.toLowerCase());
}

export function parseNumber(cell: string, decimal: DecimalSign): number | undefined {
  if (decimal === '.') {
    if (POINT_NUMBER.test(cell)) return Number(cell);
    return POINT_NUMBER_IN_GROUPS.test(cell) ? Number(cell.replaceAll(',', '')) : undefined;
  }
  if (COMMA_NUMBER.test(cell)) return Number(cell.replace(',', '.'));
  return COMMA_NUMBER_IN_GROUPS.test(cell) ? Number(cell.replaceAll('.', '').replace(',', '.')) : undefined;
}

export function parseDate(cell: string, order: DateOrder): CalendarDate | undefined {
  const yearFirst = YEAR_FIRST.exec(cell);
  if (yearFirst) return calendarDate(yearFirst[1], yearFirst[3], yearFirst[4] ?? '1', yearFirst[5]);
  const yearLast = YEAR_LAST.exec(cell);
  if (yearLast) {
    const [, first, separator, second, year, time] = yearLast;
    return separator === '.' || order === 'day-first'
      ? calendarDate(year, second, first, time)
      : calendarDate(year, first, second, time);
  }
  const named = MONTH_NAME_FIRST.exec(cell);
  if (named) return calendarDate(named[3], monthNumber(named[1]), named[2]);
  const namedSecond = MONTH_NAME_SECOND.exec(cell);
  return namedSecond ? calendarDate(namedSecond[3], monthNumber(namedSecond[2]), namedSecond[1]) : undefined;
}

/**
 * Rounds away the noise of binary fractions: 6 decimals at most, or 6 significant digits below 0.001. Gives null for a
 * missing number, so that JSON shows it.
 */
export function rounded(value: number | undefined): number | null {
  if (value === undefined || !Number.isFinite(value)) return null;
  const short = Math.abs(value) < 1e-3 ? value.toPrecision(6) : value.toFixed(6);
  // Adding 0 turns -0 into 0.
  return Number(short) + 0;
}

function monthNumber(name = ''): string | undefined {
  const index = MONTHS.findIndex((month) => month.startsWith(name.toLowerCase()));
  return index < 0 ? undefined : String(index + 1);
}

function calendarDate(yearText = '', monthText = '', dayText = '', time?: string): CalendarDate | undefined {
  const [year, month, day] = [Number(yearText), Number(monthText), Number(dayText)];
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  const date = `${yearText.padStart(4, '0')}-${twoDigits(month)}-${twoDigits(day)}`;
  return { year, month, day, iso: time === undefined ? date : `${date}T${time.padStart(5, '0')}` };
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
