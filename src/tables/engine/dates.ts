/** Decides how the texts of a column are read as dates. All rows decide; what can be read in two ways is said. */
import { literal } from './sql.ts';

export type DateOrder = 'day-first' | 'month-first';

/** The most common forms, and a shape of each. */
export const ISO_FORMS: readonly { readonly pattern: string; readonly shape: string }[] = [
  { pattern: String.raw`\d{4}-\d{2}-\d{2}`, shape: '0000-00-00' },
  { pattern: String.raw`\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}`, shape: '0000-00-00 00:00:00' },
];

/** More shapes than this are no column of dates. */
export const MAX_SHAPES = 2_000;

/** SQL for a cell with each digit replaced by `0`. A column of dates has few such shapes, so the rest is decided on those. */
export function dateShapeSql(column: string): string {
  return String.raw`regexp_replace(${column}, '\d', '0', 'g')`;
}

const WEEKDAY = String.raw`^(?i:mon|tue|wed|thu|fri|sat|sun)\p{L}*\.?,?\s+`;
const ZONE = String.raw`(:\d{2}(?:[.,]\d+)?)\s*(?:[zZ]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$`;
const HALF_DAY = String.raw`(\d)\s*([aApP])\.?([mM])\.?$`;

/** Months as German, French, Spanish, Italian, Portuguese and Dutch write them; DuckDB reads English. */
const MONTHS: Readonly<Record<string, string>> = {
  Jan: 'januari?|jänner|janvier|janv|enero|ene|gennaio|gen|janeiro',
  Feb: 'februari?|feber|février|févr|fév|febrero|febbraio|fevereiro|fev',
  Mar: 'märz|mär|mrz|mars|marzo|março|maart|mrt',
  Apr: 'avril|avr|abril|abr|aprile',
  May: 'mai|mayo|maggio|mag|maio|mei',
  Jun: 'juni|juin|junio|giugno|giu|junho',
  Jul: 'juli|juillet|juil|julio|luglio|lug|julho',
  Aug: 'août|aout|agosto|ago|augustus',
  Sep: 'septembre|sept|septiembre|settembre|set|setembro',
  Oct: 'oktober|okt|octobre|octubre|ottobre|ott|outubro|out',
  Nov: 'novembre|noviembre|novembro',
  Dec: 'dezember|dez|décembre|déc|diciembre|dic|dicembre|dezembro',
};

interface Repair {
  readonly pattern: string;
  readonly by: string;
  readonly isGlobal?: true;
}

/** The `T`, comma or spaces between date and time. */
const TIME_MARK: Repair = { pattern: String.raw`(\d),?(?:\s+|[tT])(\d{1,2}:)`, by: String.raw`\1 \2` };

/** What has to be replaced in a cell before a format fits, in this order. */
const REPAIRS: readonly Repair[] = [
  { pattern: WEEKDAY, by: '' },
  { pattern: String.raw`^\p{L}{2,12}\.?,\s+(\d)`, by: String.raw`\1` },
  { pattern: String.raw`(\s)(?i:de)\s`, by: String.raw`\1`, isGlobal: true },
  ...Object.entries(MONTHS).map(([month, words]) => ({
    pattern: String.raw`(^|\P{L})(?i:${words})($|\P{L})`,
    by: String.raw`\1${month}\2`,
  })),
  { pattern: ZONE, by: String.raw`\1` },
  { pattern: HALF_DAY, by: String.raw`\1 \2\3` },
  { pattern: String.raw`(:\d{2}),(\d+)`, by: String.raw`\1.\2` },
  TIME_MARK,
  { pattern: String.raw`(\p{L})\.`, by: String.raw`\1` },
  { pattern: String.raw`(\d)[.,]\s`, by: String.raw`\1 ` },
  { pattern: String.raw`(\p{L}),\s`, by: String.raw`\1 ` },
  { pattern: String.raw`\s+`, by: ' ', isGlobal: true },
];

/** Formats of a date by its shape: see {@link shapeOf}. */
const DATES: Readonly<Record<string, readonly string[]>> = {
  'Y-0-0': ['%Y-%m-%d'],
  'Y/0/0': ['%Y/%m/%d'],
  'Y.0.0': ['%Y.%m.%d'],
  'Y-0': ['%Y-%m'],
  'Y/0': ['%Y/%m'],
  '0.0.Y': ['%d.%m.%Y'],
  '00.00.00': ['%d.%m.%y'],
  '0 A Y': ['%d %b %Y', '%d %B %Y'],
  '0-A-Y': ['%d-%b-%Y', '%d-%B-%Y'],
  '0-A-00': ['%d-%b-%y', '%d-%B-%y'],
  'A 0 Y': ['%b %d %Y', '%B %d %Y'],
  'A Y': ['%b %Y', '%B %Y'],
};
/** The order of day and month is open in these. */
const OPEN_DATES: Readonly<Record<string, Readonly<Record<DateOrder, string>>>> = {
  '0/0/Y': { 'day-first': '%d/%m/%Y', 'month-first': '%m/%d/%Y' },
  '0-0-Y': { 'day-first': '%d-%m-%Y', 'month-first': '%m-%d-%Y' },
  '0/0/00': { 'day-first': '%d/%m/%y', 'month-first': '%m/%d/%y' },
};
const TIMES: Readonly<Record<string, string>> = {
  '0:0': ' %H:%M',
  '0:0:0': ' %H:%M:%S',
  '0:0:0.F': ' %H:%M:%S.%g',
  '0:0 AM': ' %I:%M %p',
  '0:0:0 AM': ' %I:%M:%S %p',
};

export interface DateFormats {
  readonly hasTime: boolean;
  readonly hasZone: boolean;
  /** Whether the order of day and month is open in some cells. */
  readonly isOpen: boolean;
  /** Whether a cell has AM or PM. Where people write so, the month comes first. */
  readonly isAmerican: boolean;
  readonly hasShortYears: boolean;
  /** SQL for a cell as a timestamp, NULL if it is none. */
  readonly sql: (column: string, order: DateOrder) => string;
}

/** The formats that fit all shapes of a column, or undefined if one of them is not a date. */
export function dateFormats(shapes: readonly string[]): DateFormats | undefined {
  const formats = { 'day-first': new Set<string>(), 'month-first': new Set<string>() };
  const found = { hasTime: false, hasZone: false, isOpen: false, isAmerican: false, hasShortYears: false };
  const repairs = new Set<Repair>();
  for (const shape of shapes) {
    let plain = shape;
    for (const repair of REPAIRS) {
      const pattern = new RegExp(repair.pattern.replace('(?i:', '(?:'), repair.isGlobal === true ? 'gu' : 'iu');
      const repaired = plain.replace(pattern, repair.by.replaceAll('\\', '$'));
      if (repaired !== plain) repairs.add(repair);
      if (repair.pattern === ZONE && repaired !== plain) found.hasZone = true;
      plain = repaired;
    }
    const [, date = '', time] = /^(.*?)(?: (\d{1,2}:.*))?$/.exec(plain) ?? [];
    const dateShape = shapeOf(date);
    const timeShape = time
      ?.replaceAll(/\.\d+/g, '.F')
      .replaceAll(/\d+/g, '0')
      .replace(/[ap]m$/i, 'AM');
    const timeFormat = timeShape === undefined ? '' : TIMES[timeShape];
    const [fixed, open] = [DATES[dateShape], OPEN_DATES[dateShape]];
    if (timeFormat === undefined || (fixed === undefined && open === undefined)) return undefined;
    for (const order of ['day-first', 'month-first'] as const)
      for (const format of fixed ?? [open?.[order] ?? '']) formats[order].add(`${format}${timeFormat}`);
    found.hasTime ||= timeFormat !== '';
    found.isAmerican ||= timeShape?.endsWith('AM') === true;
    found.hasShortYears ||= !dateShape.includes('Y');
    found.isOpen ||= open !== undefined;
  }
  const sql = (column: string, order: DateOrder): string => {
    const isIso = [...formats[order]].every((format) => format.startsWith('%Y-%m-%d'));
    // A cast takes a third of the time, and reads the `T` itself.
    const needed = REPAIRS.filter((repair) => repairs.has(repair) && !(isIso && repair === TIME_MARK));
    const repaired = needed.reduce(
      (cell, { pattern, by, isGlobal }) =>
        `regexp_replace(${cell}, ${literal(pattern)}, ${literal(by)}${isGlobal === true ? ", 'g'" : ''})`,
      column,
    );
    if (isIso) return `TRY_CAST(${repaired} AS TIMESTAMP)`;
    return `try_strptime(${repaired}, [${[...formats[order]].map(literal).join(', ')}])`;
  };
  return { ...found, sql };
}

/**
 * `Y` for four digits, `0` for one or two, `A` for a word, `00` for a year of two digits. Such a year has exactly two
 * digits, and with points day and month have too, so that versions such as 1.10.0 are no dates.
 */
function shapeOf(date: string): string {
  const words = date.replace(/\p{L}{3,}/u, 'A').replace(/\d{4}/, 'Y');
  if (words.includes('Y')) return words.replaceAll(/\d{1,2}/g, '0');
  if (words.includes('.')) return words.replaceAll(/\d/g, '0');
  return words.replace(/^(.*[-/])\d{2}$/, (_, before: string) => `${before.replaceAll(/\d{1,2}/g, '0')}00`);
}
