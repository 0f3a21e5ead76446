/** Rows of small results. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api';

export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<DuckDBValue[][]> {
  return (await connection.runAndReadAll(sql)).getRows();
}

/** @throws Error if there is no row */
export async function firstRow(connection: DuckDBConnection, sql: string): Promise<readonly DuckDBValue[]> {
  const [row] = await rowsOf(connection, sql);
  if (row === undefined) throw new Error(`No row from ${sql}`);
  return row;
}
