/** Decides the type of each column of a text table, from all of its rows, and gives the SQL that reads a cell so. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { type DateFormats, dateFormats, type DateOrder, dateShapeSql, ISO_FORMS, MAX_SHAPES } from './dates.ts';
import {
  type CellCounts,
  cellKindSql,
  countCells,
  MISSING_MARK,
  numberFormat,
  type NumberFormat,
  plainNumberSql,
  shownDecimal,
  type Sign,
  UNIT,
} from './numbers.ts';
import { shortenText } from '../../contracts/text-cut.ts';
import { firstRow, rowsOf } from './rows.ts';
import { literal } from './sql.ts';

export type ColumnType = 'integer' | 'decimal' | 'date' | 'timestamp' | 'boolean' | 'text' | 'empty' | 'undecided';

export interface ColumnReading {
  readonly type: ColumnType;
  /** SQL for a cell of this type, given the column of texts. */
  readonly sql: string;
  /** Only if undecided: the readings that are possible, with what to choose. */
  readonly readings?: readonly { readonly choose: string; readonly sql: string }[];
  readonly note?: string;
}

/** What the caller says about cells that nothing else decides. */
export interface Choices {
  readonly decimal?: Sign | undefined;
  readonly dates?: DateOrder | undefined;
}

interface Evidence {
  readonly column: string;
  /** Of all cells, or of the first ones if a word is among them. */
  readonly counts: CellCounts;
  /** The first cells. */
  readonly sample: readonly string[];
  readonly dates: DateEvidence | undefined;
}

interface DateEvidence {
  readonly formats: DateFormats;
  readonly dayFirst: number;
  readonly monthFirst: number;
  /** Whether the two readings differ. */
  readonly differs: boolean;
}

/** Digits of DuckDB's longest exact numbers. */
const MAX_DIGITS = 38;
/** Digits that a double always keeps. */
const DOUBLE_DIGITS = 15;
const SAMPLE = 500;
const MISSING = new RegExp(`^${MISSING_MARK.replace('(?i)', '')}$`, 'i');

/** @param columns names of the columns of texts in `table` */
export async function readColumnTypes(
  connection: DuckDBConnection,
  table: string,
  columns: readonly string[],
  choices: Choices,
): Promise<ColumnReading[]> {
  const evidence: Evidence[] = [];
  for (const column of columns) evidence.push(await gatherEvidence(connection, table, column));
  const locale = shownByOthers(evidence.map(({ counts }) => shownDecimal(numbersOnly(counts)))) ?? choices.decimal;
  const order = shownByOthers(evidence.map(({ dates }) => dates && shownOrder(dates))) ?? choices.dates;
  const readings: ColumnReading[] = [];
  for (const one of evidence)
    readings.push(await readColumn(connection, table, one, { decimal: locale, dates: order }));
  return readings;
}

/** Counts of a column that is text say nothing about the table's decimal sign. */
function numbersOnly(counts: CellCounts): CellCounts {
  return (counts.of.other ?? 0) > 0 || (counts.of['leading-zero'] ?? 0) > 0 ? { of: {}, isDecorated: false } : counts;
}

/** The one answer of all columns that have one. */
function shownByOthers<Answer extends string>(answers: readonly (Answer | 'both' | undefined)[]): Answer | undefined {
  const shown = new Set(answers.filter((answer): answer is Answer => answer !== undefined && answer !== 'both'));
  return shown.size === 1 && !answers.includes('both') ? [...shown][0] : undefined;
}

/** Looks at a few cells first: one word among them, and the column is not one of numbers. */
async function gatherEvidence(connection: DuckDBConnection, table: string, column: string): Promise<Evidence> {
  const sample = (
    await rowsOf(connection, `SELECT ${column} FROM ${table} WHERE ${column} IS NOT NULL LIMIT ${SAMPLE}`)
  ).map(([cell]) => String(cell));
  const ofSample = await countKinds(
    connection,
    `(SELECT ${column} FROM ${table} WHERE ${column} IS NOT NULL LIMIT ${SAMPLE})`,
    column,
  );
  if ((ofSample.of.other ?? 0) === 0) {
    const isWhole = sample.length < SAMPLE;
    const counts = isWhole ? ofSample : await countKinds(connection, table, column);
    return { column, counts, dates: undefined, sample };
  }
  return { column, counts: ofSample, dates: await dateEvidence(connection, table, column, sample), sample };
}

async function countKinds(connection: DuckDBConnection, table: string, column: string): Promise<CellCounts> {
  const kinds = await rowsOf(
    connection,
    `SELECT kind, count(*)::INTEGER FROM (SELECT ${cellKindSql(column)} AS kind FROM ${table} WHERE ${column} IS NOT NULL) GROUP BY kind`,
  );
  return countCells(kinds.map(([kind, cells]) => [String(kind), Number(cells)]));
}

async function readColumn(
  connection: DuckDBConnection,
  table: string,
  { column, counts, dates, sample }: Evidence,
  choices: Choices,
): Promise<ColumnReading> {
  if (Object.keys(counts.of).length === 0) return { type: 'empty', sql: column };
  const format = numberFormat(counts, choices.decimal);
  if (format.is === 'number') return readNumbers(connection, table, column, format);
  if (format.is === 'undecided') {
    const readings = await Promise.all(
      (['.', ','] as const).map(async (decimal) => {
        const reading = numberFormat(counts, decimal);
        if (reading.is !== 'number') throw new Error('A chosen decimal sign decides every column of numbers.');
        return { choose: `decimal "${decimal}"`, sql: (await readNumbers(connection, table, column, reading)).sql };
      }),
    );
    return {
      type: 'undecided',
      sql: column,
      readings,
      note: `has numbers such as 1${format.sign}234, and the file does not tell whether "${format.sign}" separates thousands or decimals. Give decimal "." or ","; until then the column is text.`,
    };
  }
  if (dates !== undefined) return readDates(column, dates, choices.dates);
  if (await isBoolean(connection, table, column, sample))
    return {
      type: 'boolean',
      sql: `CASE WHEN lower(${column}) IN ('true', 'yes') THEN true WHEN lower(${column}) IN ('false', 'no') THEN false END`,
    };
  const why = format.why === undefined ? mixture(counts, sample) : `${format.why}.`;
  return { type: 'text', sql: column, ...(why === undefined ? {} : { note: why }) };
}

/** What keeps a column from being one of numbers, if most of its first cells are numbers. */
function mixture({ of }: CellCounts, sample: readonly string[]): string | undefined {
  const cells = Object.values(of).reduce((sum, one) => sum + one, 0);
  const word = sample.find((cell) => !/^\P{L}*\d\P{L}*$/u.test(cell) && !MISSING.test(cell));
  if (word === undefined || (of.other ?? 0) * 2 > cells) return undefined;
  return `has texts such as ${JSON.stringify(shortenText(word, 40))} among its numbers, so it is text; TRY_CAST reads the numbers alone.`;
}

async function readNumbers(
  connection: DuckDBConnection,
  table: string,
  column: string,
  format: Extract<NumberFormat, { is: 'number' }>,
): Promise<ColumnReading> {
  const isWritten = `${column} IS NOT NULL AND NOT regexp_full_match(${column}, ${literal(MISSING_MARK)})`;
  const text = plainNumberSql(column, format);
  const [wholeDigits, fractionDigits] = await firstRow(
    connection,
    `SELECT max(strlen(n) - fraction - contains(n, '.')::INTEGER - starts_with(n, '-')::INTEGER), max(fraction)
     FROM (SELECT n, CASE WHEN contains(n, '.') THEN strlen(n) - instr(n, '.') ELSE 0 END AS fraction FROM (SELECT ${text} AS n FROM ${table} WHERE ${isWritten}))`,
  );
  const [whole, fraction] = [Number(wholeDigits ?? 0), Number(fractionDigits ?? 0)];
  const units = format.isDecorated ? await unitsOf(connection, table, column) : [];
  if (units.length > 1)
    return {
      type: 'text',
      sql: column,
      note: `has numbers with different units (${units.join(', ')}), so it is text.`,
    };
  const note = units.length === 1 && units[0] !== '' ? { note: `is in ${units[0]}.` } : {};
  if (format.hasExponents || (whole + fraction > MAX_DIGITS && whole <= DOUBLE_DIGITS))
    return { type: 'decimal', sql: `nullif(TRY_CAST(${text} AS DOUBLE), 'nan'::DOUBLE)`, ...note };
  if (whole + fraction > MAX_DIGITS)
    return { type: 'text', sql: column, note: `has numbers of more than ${MAX_DIGITS} digits, so it is text.` };
  if (fraction === 0)
    return { type: 'integer', sql: `TRY_CAST(${text} AS ${whole < 19 ? 'BIGINT' : 'HUGEINT'})`, ...note };
  const width = whole + fraction <= 18 ? 18 : MAX_DIGITS;
  return { type: 'decimal', sql: `TRY_CAST(${text} AS DECIMAL(${width}, ${fraction}))`, ...note };
}

/** The different units of the cells; '' is for cells without one. */
async function unitsOf(connection: DuckDBConnection, table: string, column: string): Promise<string[]> {
  const rows = await rowsOf(
    connection,
    String.raw`SELECT DISTINCT regexp_extract(${column}, ${literal(UNIT)}) FROM ${table} WHERE regexp_matches(${column}, '\d') LIMIT 5`,
  );
  return rows.map(([unit]) => String(unit)).toSorted();
}

async function dateEvidence(
  connection: DuckDBConnection,
  table: string,
  column: string,
  sample: readonly string[],
): Promise<DateEvidence | undefined> {
  if (
    dateFormats(sample.filter((cell) => !MISSING.test(cell)).map((cell) => cell.replaceAll(/\d/g, '0'))) === undefined
  )
    return undefined;
  const written = `FROM ${table} WHERE ${column} IS NOT NULL AND NOT regexp_full_match(${column}, ${literal(MISSING_MARK)})`;
  const counts = await firstRow(
    connection,
    `SELECT count(*)${ISO_FORMS.map(({ pattern }) => `, count_if(regexp_full_match(${column}, ${literal(pattern)}))`).join('')} ${written}`,
  );
  const [cells, ...ofForms] = counts.map(Number);
  const iso = ISO_FORMS.find((_, index) => ofForms[index] === cells);
  const shapes =
    iso === undefined
      ? (await rowsOf(connection, `SELECT DISTINCT ${dateShapeSql(column)} ${written} LIMIT ${MAX_SHAPES + 1}`)).map(
          ([shape]) => String(shape),
        )
      : [iso.shape];
  const formats = shapes.length > MAX_SHAPES ? undefined : dateFormats(shapes);
  if (formats === undefined) return undefined;
  const [day, month] = [formats.sql(column, 'day-first'), formats.sql(column, 'month-first')];
  const both = formats.isOpen ? `count(${month}), bool_or(${day} IS DISTINCT FROM ${month})` : `count(${day}), false`;
  const [dayFirst, monthFirst, differs] = await firstRow(connection, `SELECT count(${day}), ${both} FROM ${table}`);
  const evidence = { formats, dayFirst: Number(dayFirst), monthFirst: Number(monthFirst), differs: differs === true };
  return Math.max(evidence.dayFirst, evidence.monthFirst) === cells ? evidence : undefined;
}

/** The order that the cells of a column show by themselves. */
function shownOrder({ formats, dayFirst, monthFirst, differs }: DateEvidence): DateOrder | undefined {
  if (!differs) return undefined;
  if (dayFirst !== monthFirst) return dayFirst > monthFirst ? 'day-first' : 'month-first';
  return formats.isAmerican ? 'month-first' : undefined;
}

function readDates(column: string, dates: DateEvidence, chosen: DateOrder | undefined): ColumnReading {
  const { formats, differs } = dates;
  const order = shownOrder(dates) ?? (differs ? chosen : 'day-first');
  const read = (by: DateOrder): string =>
    formats.hasTime ? formats.sql(column, by) : `(${formats.sql(column, by)})::DATE`;
  if (order === undefined)
    return {
      type: 'undecided',
      sql: column,
      readings: (['day-first', 'month-first'] as const).map((by) => ({ choose: `dates "${by}"`, sql: read(by) })),
      note: 'has dates such as 3/4/2024, and the file does not tell whether the day or the month comes first. Give dates "day-first" or "month-first"; until then the column is text.',
    };
  const notes = [
    ...(differs ? [`has the ${order === 'day-first' ? 'day' : 'month'} first.`] : []),
    ...(formats.hasZone ? ['has time zones, which are ignored: times are as written.'] : []),
    ...(formats.hasShortYears ? ['has years of two digits: 69 to 99 are 19xx, the others 20xx.'] : []),
  ];
  return {
    type: formats.hasTime ? 'timestamp' : 'date',
    sql: read(order),
    ...(notes.length === 0 ? {} : { note: notes.join(' It ') }),
  };
}

async function isBoolean(
  connection: DuckDBConnection,
  table: string,
  column: string,
  sample: readonly string[],
): Promise<boolean> {
  const truths = sample.filter((cell) => /^(?:true|false|yes|no)$/i.test(cell));
  if (truths.length === 0 || !sample.every((cell) => truths.includes(cell) || MISSING.test(cell))) return false;
  const [others] = await firstRow(
    connection,
    `SELECT count_if(lower(${column}) NOT IN ('true', 'false', 'yes', 'no') AND NOT regexp_full_match(${column}, ${literal(MISSING_MARK)})) FROM ${table} WHERE ${column} IS NOT NULL`,
  );
  return Number(others) === 0;
}
