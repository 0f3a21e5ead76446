/**
 * Decides what the texts of a column mean as numbers: which sign separates decimals, which one thousands.
 *
 * DuckDB takes one decimal sign for a whole file and guesses from a sample. Here all rows of a column decide, then the
 * other columns of the table. What nothing decides stays text, and the result says so.
 */
import { literal } from './sql.ts';

export type Sign = '.' | ',';

/** What one cell shows. `amb-*`: `1.234` is a thousand or a decimal number. `dec-*`, `group-*`: the sign is certain. */
export const CELL_KINDS = [
  'missing-mark',
  'integer',
  'dec-point',
  'amb-point',
  'dec-comma',
  'amb-comma',
  'group-point',
  'group-comma',
  'group-other',
  'exponent',
  'exponent-comma',
  'leading-zero',
  'other',
] as const;
export type CellKind = (typeof CELL_KINDS)[number];

/** Signs and codes of currencies, and shares. Other words beside a number may be a name, such as `DIN 476`. */
export const UNIT = String.raw`(?:(?:US|HK|NZ|C|A|R|S)?\$|\p{Sc}|[%‰]|EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|RUB|UAH|TRY|INR|CNY|KRW|BRL|CAD|AUD|NZD|ZAR|MXN|SGD|HKD|ILS|AED|THB|kr|zł|Kč|Ft|Rs)`;
const BEFORE = String.raw`(?:[-+−]?\s*${UNIT}?\s*[-+−]?|\(\s*${UNIT}?\s*)`;
const AFTER = String.raw`(?:\s*${UNIT})?\s*[-)]?`;
/** Signs that separate thousands besides point and comma: space, no-break spaces, apostrophes. */
const OTHER_GROUP = String.raw`[ '’\x{a0}\x{202f}\x{2009}]`;

/** Marks that stand for a missing value in a column of numbers, dates or truth values; in a column of words they are words. */
export const MISSING_MARK = String.raw`(?i)(?:#?n/?a|nan|null|none|nil|n\.\s?a\.|k\.\s?a\.|-{1,3}|–|—|\?|\.{1,3}|#(?:value|ref|div/0|name|num)[!?]?)`;

/** What stands for no cents: `3.-`. */
const NO_CENTS = '[-–—]{1,2}';

const whole = (body: string): string => `${BEFORE}(?:${body})${AFTER}`;

/** The first pattern that matches a cell gives its kind. */
const PATTERNS: readonly (readonly [CellKind, string])[] = [
  ['integer', String.raw`-?(?:0|[1-9]\d*)`],
  ['amb-point', String.raw`-?[1-9]\d{0,2}\.\d{3}`],
  ['dec-point', String.raw`-?(?:\d+\.\d*|\.\d+)`],
  ['leading-zero', String.raw`0\d+`],
  ['missing-mark', MISSING_MARK],
  ['integer', whole(String.raw`0|[1-9]\d*`)],
  ['amb-point', whole(String.raw`[1-9]\d{0,2}\.\d{3}`)],
  ['amb-comma', whole(String.raw`[1-9]\d{0,2},\d{3}`)],
  ['group-point', whole(String.raw`[1-9]\d{0,2}(?:\.\d{3}){2,}|[1-9]\d{0,2}(?:\.\d{3})+,(?:\d+|${NO_CENTS})`)],
  [
    'group-comma',
    whole(
      String.raw`[1-9]\d{0,2}(?:,\d{3}){2,}|[1-9]\d{0,2}(?:,\d{3})+\.(?:\d+|${NO_CENTS})|[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?`,
    ),
  ],
  [
    'dec-point',
    whole(String.raw`\d+\.(?:\d*|${NO_CENTS})|\.\d+|[1-9]\d{0,2}(?:${OTHER_GROUP}\d{3})+\.(?:\d+|${NO_CENTS})`),
  ],
  [
    'dec-comma',
    whole(String.raw`\d+,(?:\d*|${NO_CENTS})|,\d+|[1-9]\d{0,2}(?:${OTHER_GROUP}\d{3})+,(?:\d+|${NO_CENTS})`),
  ],
  ['group-other', `-?[1-9]\\d{0,2}(?:${OTHER_GROUP}\\d{3})+${AFTER}`],
  ['exponent', String.raw`[-+−]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+`],
  ['exponent-comma', String.raw`[-+−]?(?:\d+,\d*|,\d+)[eE][-+]?\d+`],
];
/** The first patterns fit cells without unit, plus sign, spaces and brackets. */
const PLAIN_PATTERNS = 5;
const DECORATED = '~';

/** Cells with a character that no number has, or without a digit, are told apart quickly. */
const MAY_BE_NUMBER = String.raw`[-+−–—()\p{Sc}%‰0-9.,'’ \x{a0}\x{202f}\x{2009}\teA-Zkrzłčtsuo]*`;

/** SQL for the kind of a cell that is not NULL; see {@link countCells}. */
export function cellKindSql(column: string): string {
  const cases = PATTERNS.map(
    ([kind, pattern], index) =>
      `WHEN regexp_full_match(${column}, ${literal(pattern)}) THEN '${kind}${index < PLAIN_PATTERNS ? '' : DECORATED}'`,
  );
  return `CASE WHEN NOT regexp_full_match(${column}, ${literal(MAY_BE_NUMBER)}) THEN CASE WHEN regexp_full_match(${column}, ${literal(MISSING_MARK)}) THEN 'missing-mark' ELSE 'other' END ${cases.join(' ')} ELSE 'other' END`;
}

/** The cells of a column by kind, and whether a number among them has more than digits and separators. */
export interface CellCounts {
  readonly of: Readonly<Partial<Record<CellKind, number>>>;
  readonly isDecorated: boolean;
}

/** @param kinds what {@link cellKindSql} gave, with the number of cells */
export function countCells(kinds: readonly (readonly [kind: string, cells: number])[]): CellCounts {
  const counts: Partial<Record<CellKind, number>> = {};
  for (const [written, cells] of kinds) {
    // The SQL gives no other kinds.
    const kind = written.replace(DECORATED, '') as CellKind;
    counts[kind] = (counts[kind] ?? 0) + cells;
  }
  return { of: counts, isDecorated: kinds.some(([kind]) => kind.endsWith(DECORATED)) };
}

export type NumberFormat =
  /** `decimal` is undefined if no cell has one. */
  | {
      readonly is: 'number';
      readonly decimal?: Sign;
      readonly hasPointGroups: boolean;
      readonly hasCommaGroups: boolean;
      readonly hasExponents: boolean;
      readonly isDecorated: boolean;
    }
  /** Its cells are numbers, and nothing tells what this sign means in them. */
  | { readonly is: 'undecided'; readonly sign: Sign }
  | { readonly is: 'text'; readonly why?: string };

const count = (counts: CellCounts, ...kinds: CellKind[]): number =>
  kinds.reduce((sum, kind) => sum + (counts.of[kind] ?? 0), 0);

/** The decimal sign that the cells of a column show by themselves, if they do; 'both' if they contradict each other. */
export function shownDecimal(counts: CellCounts): Sign | 'both' | undefined {
  const point = count(counts, 'dec-point', 'group-comma') > 0;
  const comma = count(counts, 'dec-comma', 'group-point', 'exponent-comma') > 0;
  if (point && comma) return 'both';
  return point ? '.' : comma ? ',' : undefined;
}

/** @param locale the decimal sign that other columns show, or that the caller chose */
export function numberFormat(counts: CellCounts, locale: Sign | undefined): NumberFormat {
  const numbers = count(counts, ...CELL_KINDS.slice(1, -2));
  if (numbers === 0 || count(counts, 'other') > 0) {
    return count(counts, 'leading-zero') > 0 && count(counts, 'other') === 0
      ? { is: 'text', why: 'has numbers with leading zeros, so it is text, such as a code' }
      : { is: 'text' };
  }
  if (count(counts, 'leading-zero') > 0)
    return { is: 'text', why: 'has numbers with leading zeros, so it is text, such as a code' };
  const shown = shownDecimal(counts);
  if (shown === 'both')
    return { is: 'text', why: 'has numbers with decimal points and numbers with decimal commas, so it is text' };
  const [hasAmbiguousPoint, hasAmbiguousComma] = [count(counts, 'amb-point') > 0, count(counts, 'amb-comma') > 0];
  // `1.234` and `1,234` in one column, and nothing else: one of the two signs is the decimal sign.
  const decimal = shown ?? locale;
  if (decimal === undefined && hasAmbiguousPoint) return { is: 'undecided', sign: '.' };
  if (decimal === undefined && hasAmbiguousComma) return { is: 'undecided', sign: ',' };
  return {
    is: 'number',
    ...(decimal === undefined ? {} : { decimal }),
    hasPointGroups: decimal === ',' && (hasAmbiguousPoint || count(counts, 'group-point') > 0),
    hasCommaGroups: decimal === '.' && (hasAmbiguousComma || count(counts, 'group-comma') > 0),
    hasExponents: count(counts, 'exponent', 'exponent-comma') > 0,
    isDecorated: counts.isDecorated,
  };
}

/** SQL for a cell as a number that DuckDB can cast: `-1234.5`. */
export function plainNumberSql(
  column: string,
  { decimal, hasPointGroups, hasCommaGroups, isDecorated }: Extract<NumberFormat, { is: 'number' }>,
): string {
  let sql = column;
  if (isDecorated) {
    sql = `regexp_replace(${sql}, ${literal(`${OTHER_GROUP}|\\s|${UNIT}|\\+`)}, '', 'g')`;
    sql = `regexp_replace(${sql}, '[.,]${NO_CENTS}$', '')`;
    sql = `replace(${sql}, '−', '-')`;
    sql = String.raw`regexp_replace(regexp_replace(${sql}, '^\((.*)\)$', '-\1'), '^(.+)-$', '-\1')`;
  }
  if (hasPointGroups) sql = `replace(${sql}, '.', '')`;
  if (hasCommaGroups) sql = `replace(${sql}, ',', '')`;
  return decimal === ',' ? `replace(${sql}, ',', '.')` : sql;
}
