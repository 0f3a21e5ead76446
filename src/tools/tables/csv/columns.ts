/** The profile of each column of a table. */
import { Numbers } from './numbers.ts';
import type { RaggedRows, Table } from './table.ts';
import type { DateOrder, DecimalSign } from './values.ts';
import { isBoolean, isMissing, parseDate, parseNumber, rounded } from './values.ts';

/** How many distinct values are counted per column. Above that, the counts are lower bounds. */
const MAX_DISTINCT = 50_000;
const MOST_COMMON = 5;
const MAX_SHOWN_VALUE = 100;

type ColumnType = 'number' | 'date' | 'boolean' | 'text' | 'empty';

/** What the result says about one column, with the figures that fit its type. */
export interface ColumnProfile {
  readonly name: string;
  /** The type that every non-missing cell has. */
  readonly type: ColumnType;
  readonly non_empty: number;
  readonly missing: number;
  readonly distinct: number;
  /** Set if `distinct` and `most_common` stopped counting new values. */
  readonly distinct_is_at_least?: true;
  readonly min?: number | null;
  readonly max?: number | null;
  readonly mean?: number | null;
  readonly sum?: number | null;
  /** Standard deviation of the sample. */
  readonly std?: number | null;
  readonly first?: string;
  readonly last?: string;
  /** How dates such as 3/4/2012 were read, if the column has any. */
  readonly date_order?: DateOrder;
  readonly most_common?: readonly { readonly value: string; readonly count: number }[];
  /** In a text column: how many cells are numbers or dates nevertheless. */
  readonly numbers?: number;
  readonly dates?: number;
}

/** Reads the whole table. @throws CopilotError `ToolFailed` if it cannot be parsed */
export async function profileColumns(
  table: Table,
  ragged: RaggedRows,
  signal: AbortSignal,
): Promise<{ readonly rows: number; readonly columns: readonly ColumnProfile[] }> {
  const cells = table.columns.map((name) => new ColumnCells(name, table.format.decimal));
  let rows = 0;
  for await (const row of table.rows(signal, ragged.add)) {
    rows++;
    for (const [index, column] of cells.entries()) column.add(row[index] ?? '');
  }
  return { rows, columns: cells.map((column) => column.profile()) };
}

/** Collects facts about a column's cells. Its type is known only at the end. */
class ColumnCells {
  readonly #name: string;
  readonly #decimal: DecimalSign;
  readonly #numbers = new Numbers();
  readonly #counts = new Map<string, number>();
  readonly #dates = { 'month-first': new DateRange(), 'day-first': new DateRange() };
  #hasUncounted = false;
  #booleans = 0;
  #present = 0;
  #missing = 0;

  constructor(name: string, decimal: DecimalSign) {
    this.#name = name;
    this.#decimal = decimal;
  }

  add(cell: string): void {
    if (isMissing(cell)) {
      this.#missing++;
      return;
    }
    this.#present++;
    const count = this.#counts.get(cell);
    if (count !== undefined || this.#counts.size < MAX_DISTINCT) this.#counts.set(cell, (count ?? 0) + 1);
    else this.#hasUncounted = true;
    const number = parseNumber(cell, this.#decimal);
    if (number !== undefined) {
      this.#numbers.add(number);
    } else if (isBoolean(cell)) {
      this.#booleans++;
    } else {
      this.#dates['month-first'].add(parseDate(cell, 'month-first')?.iso);
      this.#dates['day-first'].add(parseDate(cell, 'day-first')?.iso);
    }
  }

  profile(): ColumnProfile {
    const order = betterOrder(this.#dates['month-first'].count, this.#dates['day-first'].count);
    const dates = this.#dates[order];
    const type = this.#type(dates.count);
    return {
      name: this.#name,
      type,
      non_empty: this.#present,
      missing: this.#missing,
      distinct: this.#counts.size,
      ...(this.#hasUncounted ? { distinct_is_at_least: true } : {}),
      ...(type === 'number' ? this.#figures() : {}),
      ...(type === 'date' ? { first: dates.first, last: dates.last, ...this.#orderNote(order) } : {}),
      ...(type === 'text' || type === 'boolean' ? { most_common: this.#mostCommon() } : {}),
      ...(type === 'text' && this.#numbers.count > 0 ? { numbers: this.#numbers.count } : {}),
      ...(type === 'text' && dates.count > 0 ? { dates: dates.count } : {}),
    };
  }

  #type(dates: number): ColumnType {
    if (this.#present === 0) return 'empty';
    if (this.#numbers.count === this.#present) return 'number';
    if (this.#booleans === this.#present) return 'boolean';
    return dates === this.#present ? 'date' : 'text';
  }

  #figures(): Partial<ColumnProfile> {
    const { min, max, mean, sum, standardDeviation } = this.#numbers;
    return {
      min: rounded(min),
      max: rounded(max),
      mean: rounded(mean),
      sum: rounded(sum),
      std: rounded(standardDeviation),
    };
  }

  #orderNote(order: DateOrder): Partial<ColumnProfile> {
    const { first, last } = this.#dates[order === 'day-first' ? 'month-first' : 'day-first'];
    const isSameEitherWay = first === this.#dates[order].first && last === this.#dates[order].last;
    return isSameEitherWay ? {} : { date_order: order };
  }

  #mostCommon(): { value: string; count: number }[] {
    return [...this.#counts]
      .sort(([left, leftCount], [right, rightCount]) => rightCount - leftCount || (left < right ? -1 : 1))
      .slice(0, MOST_COMMON)
      .map(([value, count]) => ({
        value: value.length > MAX_SHOWN_VALUE ? `${value.slice(0, MAX_SHOWN_VALUE)}…` : value,
        count,
      }));
  }
}

class DateRange {
  count = 0;
  first = '';
  last = '';

  add(iso: string | undefined): void {
    if (iso === undefined) return;
    if (this.count === 0 || iso < this.first) this.first = iso;
    if (iso > this.last) this.last = iso;
    this.count++;
  }
}

/** The order that makes more cells dates; month first if both make equally many. */
export function betterOrder(monthFirst: number, dayFirst: number): DateOrder {
  return dayFirst > monthFirst ? 'day-first' : 'month-first';
}
