/** Makes a table of a file: loads it as DuckDB reads it, and lays a view with typed columns over it. */
import { readSync, openSync, closeSync } from 'node:fs';
import type { DuckDBConnection } from '@duckdb/node-api';
import { type Choices, type ColumnReading, type ColumnType, readColumnTypes } from './column-types.ts';
import { findLayout } from './layout.ts';
import { RefusedTable } from './refused-table.ts';
import { firstRow, rowsOf } from './rows.ts';
import { identifier, literal } from './sql.ts';
import { checkQuotes, prepareText } from './text-file.ts';

/** Columns for the cells of rows that are longer than the header. They only tell that a row is. */
const SPARE_COLUMN = 'spare';
const MAX_ROW_BYTES = 4 * 1024 * 1024;
const RAGGED_ROWS_NAMED = 5;
/** Bytes that tell what a file is. */
const HEAD_BYTES = 64;
/** No cell is this text, so that an empty cell differs from one that is missing at the end of a short row. */
const NO_CELL = '\u{F8FF}\u{E000}no cell';

export interface TableFile {
  /** Path relative to the workspace. */
  readonly file: string;
  /** Where this process can read it. */
  readonly path: string;
}

export interface OpenTable {
  readonly file: string;
  /** Name of the view in SQL, quoted. */
  readonly view: string;
  readonly rows: number;
  readonly columns: readonly OpenColumn[];
  readonly facts: TableFacts;
  readonly notes: readonly string[];
}

export interface OpenColumn {
  readonly name: string;
  readonly type: ColumnType | 'other';
  /** Only for texts in a file of texts: how the cell is read, and what else it could be. */
  readonly reading?: ColumnReading;
}

export interface TableFacts {
  /** If it is not a comma. */
  readonly delimiter?: string;
  /** If it is not UTF-8. */
  readonly encoding?: string;
  readonly ragged_rows?: {
    readonly count: number;
    /** `line` only if each row of the file is one line. */
    readonly first: readonly { readonly row: number; readonly line?: number; readonly cells: 'more' | 'fewer' }[];
  };
}

/**
 * @param number tells tables of one process apart
 * @param scratch a folder for a corrected copy
 * @throws RefusedTable if it is no table
 */
export function openTable(
  connection: DuckDBConnection,
  source: TableFile,
  { number, scratch, choices }: { readonly number: number; readonly scratch: string; readonly choices: Choices },
): Promise<OpenTable> {
  const kind = kindOf(source);
  const view = identifier(`table ${number}`);
  if (kind === 'text')
    return openText(connection, source, {
      view,
      raw: identifier(`raw ${number}`),
      copy: `${scratch}/${number}.csv`,
      choices,
    });
  // JSON with a byte order mark or in UTF-16 is read from a corrected copy.
  const path = kind === 'json' ? prepareText(source.path, `${scratch}/${number}.json`).path : source.path;
  return openTyped(connection, { ...source, path }, view, kind);
}

function kindOf({ file, path }: TableFile): 'text' | 'json' | 'parquet' {
  const head = Buffer.alloc(HEAD_BYTES);
  const descriptor = openSync(path, 'r');
  try {
    readSync(descriptor, head, 0, HEAD_BYTES, 0);
  } finally {
    closeSync(descriptor);
  }
  const start = head
    .toString('latin1')
    .replace(/\0/g, '')
    .replace(/^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
    .trimStart();
  if (start.startsWith('PAR1')) return 'parquet';
  if (head[0] === 0x50 && head[1] === 0x4b)
    throw new RefusedTable('is an archive or a workbook, not a table. Export it as CSV or Parquet.');
  if (head[0] === 0x1f && head[1] === 0x8b) throw new RefusedTable('is compressed. Unpack it first.');
  if (/^<(!doctype|html|\?xml|head|body|table)/i.test(start))
    throw new RefusedTable('is a page of HTML or XML, not a table. Export it as CSV, or look at it with read_file.');
  if (/^(%PDF-|\{\\rtf)/.test(start)) throw new RefusedTable('is a document, not a table. Export its table as CSV.');
  // The content says more than the name.
  return /^(\{\s*["}]|\[\s*[[{\]"\d])/.test(start) || (/\.(json|jsonl|ndjson)$/i.test(file) && /^[[{]/.test(start))
    ? 'json'
    : 'text';
}

/** JSON and Parquet say the type of each column. */
async function openTyped(
  connection: DuckDBConnection,
  { file, path }: TableFile,
  view: string,
  kind: 'json' | 'parquet',
): Promise<OpenTable> {
  const read =
    kind === 'json'
      ? `read_json(${literal(path)}, sample_size = -1, maximum_object_size = ${MAX_ROW_BYTES * 4})`
      : `read_parquet(${literal(path)})`;
  try {
    await connection.run(`CREATE TABLE ${view} AS SELECT * FROM ${read}`);
  } catch (error) {
    throw new RefusedTable(
      `cannot be read as ${kind === 'json' ? 'JSON' : 'Parquet'}: ${firstLine(error)} Correct the file.`,
      { cause: error },
    );
  }
  const columns = await rowsOf(
    connection,
    `SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ${literal(view.slice(1, -1))} ORDER BY column_index`,
  );
  const [rows] = await firstRow(connection, `SELECT count(*) FROM ${view}`);
  return {
    file,
    view,
    rows: Number(rows),
    columns: columns.map(([name, type]) => ({ name: String(name), type: typeOf(String(type)) })),
    facts: {},
    notes: [],
  };
}

function typeOf(duckType: string): ColumnType | 'other' {
  if (/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/.test(duckType)) return 'integer';
  if (/^(DECIMAL|DOUBLE|FLOAT)/.test(duckType)) return 'decimal';
  if (duckType === 'DATE') return 'date';
  if (duckType.startsWith('TIMESTAMP')) return 'timestamp';
  if (duckType === 'BOOLEAN') return 'boolean';
  return duckType === 'VARCHAR' ? 'text' : 'other';
}

interface TextPlaces {
  readonly view: string;
  readonly raw: string;
  readonly copy: string;
  readonly choices: Choices;
}

async function openText(
  connection: DuckDBConnection,
  { file, path }: TableFile,
  { view, raw, copy, choices }: TextPlaces,
): Promise<OpenTable> {
  const text = prepareText(path, copy);
  const layout = findLayout(text.sample, text.isWhole);
  const cells = layout.columns.map((_, index) => `c${index}`);
  const last = cells.at(-1) ?? '';
  if (text.hasQuotes) checkQuotes(text.path, layout.delimiter);
  const read = `read_csv(${literal(text.path)}, auto_detect = false, delim = ${literal(layout.delimiter)}, quote = '"', escape = '"', header = false, skip = ${layout.headerRecords},
      columns = {${[...cells, SPARE_COLUMN].map((name) => `${name}: 'VARCHAR'`).join(', ')}}, null_padding = true, nullstr = ${literal(NO_CELL)},
      parallel = ${!text.hasQuotes}, max_line_size = ${MAX_ROW_BYTES}, buffer_size = ${MAX_ROW_BYTES * 8}, strict_mode = false)`;
  // Composed and decomposed characters are the same text.
  const cell = (name: string): string => `nullif(trim(${text.isAscii ? name : `nfc_normalize(${name})`}), '')`;
  try {
    await connection.run(
      `CREATE TABLE ${raw} AS SELECT ${cells.map((name) => `${cell(name)} AS ${name}`).join(', ')}, ${last} IS NULL AS is_short, ${SPARE_COLUMN} IS NOT NULL AS is_long FROM ${read}`,
    );
  } catch (error) {
    if (/maximum line size/i.test(String(error)))
      throw new RefusedTable(`has a row of more than ${MAX_ROW_BYTES / 1024 / 1024} MiB. Look at it with read_file.`);
    throw new RefusedTable(
      `cannot be read as a table: ${firstLine(error)} Correct the file, or look at it with read_file.`,
      { cause: error },
    );
  }
  const readings = await readColumnTypes(connection, raw, cells, choices);
  // A delimiter at the end of each line, or at its start, makes a column without a name and without a cell.
  const columns = layout.columns.flatMap((name, index): (OpenColumn & { reading: ColumnReading })[] => {
    const reading = readings[index];
    if (reading === undefined || (layout.unnamed.has(index) && reading.type === 'empty')) return [];
    return [{ name, type: reading.type, reading }];
  });
  await connection.run(
    `CREATE VIEW ${view} AS SELECT ${columns.map(({ name, reading }) => `${reading.sql} AS ${identifier(name)}`).join(', ')} FROM ${raw}`,
  );
  const [rows] = await firstRow(connection, `SELECT count(*) FROM ${raw}`);
  const isLineByLine = Number(rows) + layout.headerLines === text.lines;
  return {
    file,
    view,
    rows: Number(rows),
    columns,
    facts: {
      ...(layout.delimiter === ',' || layout.columns.length === 1 ? {} : { delimiter: layout.delimiter }),
      ...(text.encoding === undefined ? {} : { encoding: text.encoding }),
      ...(await raggedRows(connection, raw, isLineByLine ? layout.headerLines : undefined)),
    },
    notes: [
      ...text.notes,
      ...layout.notes,
      ...columns.flatMap(({ name, reading: { note } }) =>
        note === undefined ? [] : [`Column ${JSON.stringify(name)} ${note}`],
      ),
    ],
  };
}

async function raggedRows(
  connection: DuckDBConnection,
  raw: string,
  linesBefore: number | undefined,
): Promise<Pick<TableFacts, 'ragged_rows'>> {
  const [count] = await firstRow(connection, `SELECT count_if(is_short OR is_long) FROM ${raw}`);
  if (Number(count) === 0) return {};
  const first = await rowsOf(
    connection,
    `SELECT rowid + 1, is_long FROM ${raw} WHERE is_short OR is_long ORDER BY rowid LIMIT ${RAGGED_ROWS_NAMED}`,
  );
  return {
    ragged_rows: {
      count: Number(count),
      first: first.map(([row, isLong]) => ({
        row: Number(row),
        ...(linesBefore === undefined ? {} : { line: Number(row) + linesBefore }),
        cells: isLong === true ? 'more' : 'fewer',
      })),
    },
  };
}

/** The first line of an error of DuckDB, without its kind. */
export function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const line = (message.split('\n')[0] ?? '')
    .replace(/^[A-Z][A-Za-z ]+ Error: /, '')
    .replaceAll(/\/(?:dev\/fd|proc\/self\/fd)\/\d+/g, 'the file');
  return /[.!?]$/.test(line) ? line : `${line}.`;
}
