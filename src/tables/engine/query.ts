/** Runs one SELECT over the open tables. */
import { type DuckDBConnection, StatementType } from '@duckdb/node-api';
import { nearest } from '../../tools/nearest.ts';
import { firstLine, type OpenTable } from './open-table.ts';
import { RefusedTable } from './refused-table.ts';
import { toJsonValue } from './values.ts';

export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** Set if the query gives more rows than these. */
  readonly more_rows?: true;
}

/**
 * @param maxRows how many rows to read at most
 * @throws RefusedTable if it is not one SELECT, or if it fails
 */
export async function runQuery(
  connection: DuckDBConnection,
  sql: string,
  { tables, maxRows }: { readonly tables: readonly OpenTable[]; readonly maxRows: number },
): Promise<QueryResult> {
  try {
    const statements = await connection.extractStatements(sql);
    if (statements.count !== 1) throw new RefusedTable(`the SQL has ${statements.count} statements. Give one SELECT.`);
    const statement = await statements.prepare(0);
    if (statement.statementType !== StatementType.SELECT)
      throw new RefusedTable('the SQL is not a SELECT. Tables can only be read.');
    const reader = await statement.streamAndReadUntil(maxRows + 1);
    const rows = reader.getRows();
    return {
      columns: reader.columnNames(),
      rows: rows.slice(0, maxRows).map((row) => row.map(toJsonValue)),
      ...(rows.length > maxRows ? { more_rows: true } : {}),
    };
  } catch (error) {
    if (error instanceof RefusedTable) throw error;
    throw new RefusedTable(`the SQL failed: ${firstLine(error)}${hint(error, tables)}`, { cause: error });
  }
}

function hint(error: unknown, tables: readonly OpenTable[]): string {
  const message = error instanceof Error ? error.message : '';
  const columns = tables.flatMap((table) => table.columns.map(({ name }) => name));
  const unknown = /Referenced column "([^"]+)" not found/.exec(message)?.[1];
  if (unknown !== undefined) {
    const near = nearest(unknown, columns);
    return `${near === undefined ? '' : ` Did you mean "${near}"?`} The columns are: ${columns.slice(0, 50).join(', ')}${columns.length > 50 ? ', …' : ''}.`;
  }
  const texts = tables.flatMap((table) =>
    table.columns.flatMap(({ name, type, reading }) =>
      type === 'undecided' || (type === 'text' && reading?.note !== undefined)
        ? [`Column ${JSON.stringify(name)} ${reading?.note ?? ''}`]
        : [],
    ),
  );
  if (/No function matches|Cannot compare|Could not convert|Conversion/.test(message) && texts.length > 0)
    return ` ${texts.join(' ')}`;
  if (/file system operations are disabled/.test(message)) return ' Only the files named in FROM can be read.';
  if (/does not exist/.test(message) && /Table with name/.test(message)) {
    return ` Name a file of the workspace in FROM, such as FROM 'sales.csv'. Open tables: ${tables.map(({ file }) => `'${file}'`).join(', ') || 'none'}.`;
  }
  return '';
}
