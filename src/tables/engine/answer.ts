/** Answers a request with DuckDB, which has limits, no network, and no file but those that it was given. */
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { drawChart } from '../chart/draw.ts';
import type { EngineRequest, EngineAnswer } from '../request.ts';
import { firstLine, openTable, type OpenTable } from './open-table.ts';
import { profileColumns } from './profile.ts';
import { runQuery } from './query.ts';
import { RefusedTable } from './refused-table.ts';
import { identifier } from './sql.ts';

export async function answerTo(request: EngineRequest): Promise<EngineAnswer> {
  try {
    return { value: await perform(request) };
  } catch (error) {
    if (error instanceof RefusedTable) return { refused: error.message };
    if (/Out of Memory|out of memory/.test(String(error))) return { stopped: 'memory' };
    return { failed: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

async function perform(request: EngineRequest): Promise<string> {
  const database = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    memory_limit: `${request.memoryMiB}MiB`,
    temp_directory: request.scratch,
    max_temp_directory_size: '1GiB',
    threads: '2',
  });
  const connection = await database.connect();
  const tables = await openTables(connection, request);
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  switch (request.kind) {
    case 'profile': {
      const [table] = tables;
      if (table === undefined) throw new Error('A profile needs one table.');
      const columns = await profileColumns(connection, table);
      return JSON.stringify({ file: table.file, rows: table.rows, columns, ...table.facts, ...notesOf(tables) });
    }
    case 'query': {
      const result = await runQuery(connection, request.sql, { tables, maxRows: request.maxRows });
      const [first] = tables;
      return JSON.stringify({ ...result, ...(tables.length === 1 ? first?.facts : {}), ...notesOf(tables) });
    }
    case 'chart':
      return JSON.stringify({ ...(await drawChart(connection, tables, request.chart)), ...notesOf(tables) });
  }
}

/** Opens each file, and names it as SQL may name it: by its path as it was written, and by its name without the end. */
async function openTables(
  connection: DuckDBConnection,
  { files, scratch, choices }: EngineRequest,
): Promise<OpenTable[]> {
  const tables: OpenTable[] = [];
  const named = new Set<string>();
  for (const [number, { names, ...source }] of files.entries()) {
    try {
      const table = await openTable(connection, source, { number, scratch, choices });
      tables.push(table);
      for (const name of names) {
        if (named.has(name.toLowerCase())) continue;
        named.add(name.toLowerCase());
        await connection.run(`CREATE VIEW ${identifier(name)} AS SELECT * FROM ${table.view}`);
      }
    } catch (error) {
      if (error instanceof RefusedTable) throw new RefusedTable(`"${source.file}" ${error.message}`, { cause: error });
      if (/Out of Memory/.test(String(error))) throw error;
      throw new RefusedTable(
        `"${source.file}" cannot be read: ${firstLine(error)} Correct the file, or look at it with read_file.`,
        { cause: error },
      );
    }
  }
  return tables;
}

function notesOf(tables: readonly OpenTable[]): { notes?: readonly string[] } {
  const notes = tables.flatMap((table) =>
    table.notes.map((note) => (tables.length === 1 ? note : `${table.file}: ${note}`)),
  );
  return notes.length === 0 ? {} : { notes };
}
