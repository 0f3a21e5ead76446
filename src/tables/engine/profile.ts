/** The profile of each column of a table. */
import type { DuckDBConnection } from '@duckdb/node-api';
import type { OpenColumn, OpenTable } from './open-table.ts';
import { firstRow, rowsOf } from './rows.ts';
import { identifier, literal } from './sql.ts';
import { toJsonValue } from './values.ts';
import { shortenText } from '../../contracts/text-cut.ts';

const MOST_COMMON = 5;
const MAX_SHOWN_VALUE = 100;

/** What the result says about one column, with the figures that fit its type. */
export interface ColumnProfile {
  readonly name: string;
  readonly type: OpenColumn['type'];
  readonly non_empty: number;
  readonly missing: number;
  readonly distinct: number;
  readonly [figure: string]: unknown;
}

export async function profileColumns(connection: DuckDBConnection, table: OpenTable): Promise<ColumnProfile[]> {
  const profiles: ColumnProfile[] = [];
  for (const column of table.columns) profiles.push(await profileColumn(connection, table, column));
  return profiles;
}

async function profileColumn(
  connection: DuckDBConnection,
  { view, rows }: OpenTable,
  { name, type, reading }: OpenColumn,
): Promise<ColumnProfile> {
  const column = identifier(name);
  const [present, distinct] = await firstRow(
    connection,
    `SELECT count(${column}), ${type === 'other' ? 'approx_count_distinct' : 'count(DISTINCT '}${type === 'other' ? `(${column})` : `${column})`} FROM ${view}`,
  );
  const facts = { name, type, non_empty: Number(present), missing: rows - Number(present), distinct: Number(distinct) };
  if (facts.non_empty === 0) return { ...facts, type: 'empty' };
  switch (type) {
    case 'integer':
    case 'decimal':
      return { ...facts, ...(await numberFigures(connection, column, view)) };
    case 'date':
    case 'timestamp': {
      const [first, last] = await firstRow(
        connection,
        `SELECT min(${column})::VARCHAR, max(${column})::VARCHAR FROM ${view}`,
      );
      return { ...facts, first, last };
    }
    case 'undecided': {
      const readings: Record<string, unknown> = {};
      for (const { choose, sql } of reading?.readings ?? [])
        readings[choose] = await rangeOf(connection, sql, column, view);
      return { ...facts, ...(await mostCommon(connection, column, view)), readings };
    }
    case 'text':
    case 'boolean':
      return {
        ...facts,
        ...(await mostCommon(connection, column, view)),
        ...(type === 'text' ? await numbersAmong(connection, column, view) : {}),
      };
    case 'empty':
    case 'other':
      return facts;
  }
}

async function numberFigures(connection: DuckDBConnection, column: string, view: string): Promise<object> {
  const reader = await connection.runAndReadAll(
    `SELECT min(${column}) AS min, max(${column}) AS max, avg(${column}) AS mean, CASE WHEN typeof(any_value(${column})) = 'DOUBLE' THEN NULL ELSE sum(${column}) END AS exact_sum, fsum(${column}) AS sum, stddev_samp(${column}) AS std FROM ${view}`,
  );
  const [row = []] = reader.getRows();
  const [min, max, mean, exactSum, sum, deviation] = row.map((value) => toJsonValue(value));
  return { min, max, mean, sum: exactSum ?? sum, std: deviation };
}

/** The range of a column as one of its readings has it, read from the texts of the view. */
async function rangeOf(connection: DuckDBConnection, sql: string, column: string, view: string): Promise<object> {
  // Readings are SQL over the column of texts, which an undecided column of the view still is.
  const [from] = /\bc\d+\b/.exec(sql) ?? [];
  const [min, max] = await firstRow(
    connection,
    `SELECT min(v)::VARCHAR, max(v)::VARCHAR FROM (SELECT ${sql} AS v FROM (SELECT ${column} AS ${from ?? 'c0'} FROM ${view}))`,
  );
  return { min, max };
}

async function mostCommon(connection: DuckDBConnection, column: string, view: string): Promise<object> {
  const rows = await rowsOf(
    connection,
    `SELECT ${column}::VARCHAR AS value, count(*)::INTEGER FROM ${view} WHERE ${column} IS NOT NULL GROUP BY value ORDER BY 2 DESC, 1 LIMIT ${MOST_COMMON}`,
  );
  return {
    most_common: rows.map(([value, count]) => {
      const text = String(value);
      return {
        value: shortenText(text, MAX_SHOWN_VALUE),
        count,
      };
    }),
  };
}

/** How many cells of a column of texts are numbers nevertheless. */
async function numbersAmong(connection: DuckDBConnection, column: string, view: string): Promise<object> {
  const [numbers] = await firstRow(
    connection,
    `SELECT count_if(regexp_full_match(${column}, ${literal(String.raw`[-+]?\d+(?:[.,]\d+)*`)})) FROM ${view}`,
  );
  return Number(numbers) === 0 ? {} : { numbers: Number(numbers) };
}
