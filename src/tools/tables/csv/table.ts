/** Reads a file of separated values: its format, its columns, and its rows one by one. */
import { parse } from 'csv-parse';
import { nearest } from '../../nearest.ts';
import { refusal, shown } from '../../refusal.ts';
import { openInside } from '../../workspace/content.ts';
import type { Scope } from '../../workspace/paths.ts';
import type { DecimalSign } from './values.ts';

const MAX_TABLE_BYTES = 50 * 1024 * 1024;
const SAMPLE_BYTES = 64 * 1024;
const SAMPLE_LINES = 50;
/** A larger row most likely has a quote that is never closed. */
const MAX_ROW_BYTES = 1024 * 1024;
const MAX_COLUMNS = 1_000;
const DELIMITERS = [',', ';', '\t', '|'] as const;
const RAGGED_ROWS_NAMED = 5;

interface Format {
  readonly delimiter: string;
  readonly decimal: DecimalSign;
  readonly encoding: 'utf8' | 'latin1';
}

/** A row with more or fewer fields than the header. `row` counts from 1 after the header. */
export interface RaggedRow {
  readonly row: number;
  readonly fields: number;
}

export interface Table {
  /** Path relative to the workspace. */
  readonly file: string;
  readonly format: Format;
  readonly columns: readonly string[];
  /**
   * Reads the file from its start. Cells are trimmed. Missing cells of a short row are '', extra cells of a long row are
   * dropped.
   * @throws CopilotError `ToolFailed` if the file cannot be parsed
   */
  rows(signal: AbortSignal, onRagged?: (ragged: RaggedRow) => void): AsyncGenerator<readonly string[]>;
}

/**
 * Opens a table with a header line. Its first 64 KiB tell delimiter, decimal sign and encoding.
 * @throws CopilotError `ToolFailed` if it is too large, binary or empty
 */
export async function openTable(scope: Scope, path: string, signal: AbortSignal): Promise<Table> {
  const { sample, relative } = await readSample(scope, path);
  const format = detectFormat(sample);
  const records = readRecords(scope, path, format, signal);
  const first = await records.next();
  await records.return(undefined);
  if (first.done === true)
    throw refusal(scope, `${shown(path)} has no header line. Give a file whose first line names the columns.`);
  if (first.value.length > MAX_COLUMNS) {
    throw refusal(
      scope,
      `${shown(path)} has ${first.value.length} columns, and the limit is ${MAX_COLUMNS}. Give a narrower table.`,
    );
  }
  const columns = columnNames(first.value);
  return {
    file: relative,
    format,
    columns,
    async *rows(rowsSignal, onRagged) {
      let row = -1;
      for await (const record of readRecords(scope, path, format, rowsSignal)) {
        if (++row === 0) continue;
        if (record.length !== columns.length) onRagged?.({ row, fields: record.length });
        yield columns.map((_, index) => record[index]?.trim() ?? '');
      }
    },
  };
}

/** Counts ragged rows and names the first few. */
export class RaggedRows {
  #count = 0;
  readonly #first: RaggedRow[] = [];

  readonly add = (ragged: RaggedRow): void => {
    this.#count++;
    if (this.#first.length < RAGGED_ROWS_NAMED) this.#first.push(ragged);
  };

  /** What a result says about them; empty if there are none. */
  report(): { ragged_rows?: { count: number; first: readonly RaggedRow[] } } {
    return this.#count === 0 ? {} : { ragged_rows: { count: this.#count, first: this.#first } };
  }
}

/**
 * Index of the column of this name. Case is ignored if that leaves a single column.
 * @throws CopilotError `ToolFailed` with the existing columns and the most similar one
 */
export function columnIndex(scope: Scope, table: Table, name: string): number {
  const exact = table.columns.indexOf(name);
  if (exact >= 0) return exact;
  const wanted = name.trim().toLowerCase();
  const similar = table.columns.flatMap((column, index) => (column.toLowerCase() === wanted ? [index] : []));
  if (similar.length === 1 && similar[0] !== undefined) return similar[0];
  const near = nearest(name, table.columns);
  const known = table.columns.slice(0, 50).join(', ') + (table.columns.length > 50 ? ', …' : '');
  throw refusal(
    scope,
    `${table.file} has no column ${shown(name)}.${near === undefined ? '' : ` Did you mean "${near}"?`} Its columns are: ${known}.`,
  );
}

async function readSample(scope: Scope, path: string): Promise<{ sample: Buffer; relative: string }> {
  const { handle, relative } = await openInside(scope, path, MAX_TABLE_BYTES);
  try {
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, SAMPLE_BYTES, 0);
    const sample = buffer.subarray(0, bytesRead);
    if (sample.includes(0))
      throw refusal(scope, `${shown(path)} is binary or UTF-16, not a text table. Export it as CSV in UTF-8.`);
    return { sample, relative };
  } finally {
    await handle.close();
  }
}

function detectFormat(sample: Buffer): Format {
  const encoding = isUtf8(sample) ? 'utf8' : 'latin1';
  const lines = sample
    .toString(encoding)
    .split(/\r?\n/)
    .filter((line) => line !== '');
  // The last line of a full sample is incomplete.
  const whole = (sample.length === SAMPLE_BYTES && lines.length > 1 ? lines.slice(0, -1) : lines).slice(
    0,
    SAMPLE_LINES,
  );
  const delimiter = detectDelimiter(whole);
  return { delimiter, encoding, decimal: detectDecimal(whole, delimiter) };
}

function isUtf8(sample: Buffer): boolean {
  try {
    // `stream` allows an incomplete character at the end of the sample.
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true });
    return true;
  } catch {
    return false;
  }
}

/** The delimiter that occurs equally often in most lines; among equals the more frequent one. */
function detectDelimiter(lines: readonly string[]): string {
  const bare = lines.map((line) => line.replace(/"[^"]*"/g, ''));
  let best: { delimiter: string; agreeing: number; perLine: number } = { delimiter: ',', agreeing: 0, perLine: 0 };
  for (const delimiter of DELIMITERS) {
    const perLine = (bare[0] ?? '').split(delimiter).length - 1;
    if (perLine === 0) continue;
    const agreeing = bare.filter((line) => line.split(delimiter).length - 1 === perLine).length;
    if (agreeing > best.agreeing || (agreeing === best.agreeing && perLine > best.perLine))
      best = { delimiter, agreeing, perLine };
  }
  return best.delimiter;
}

/** A comma only if it does not separate fields and no number has a point. */
function detectDecimal(lines: readonly string[], delimiter: string): DecimalSign {
  if (delimiter === ',') return '.';
  const cells = lines
    .slice(1)
    .flatMap((line) => line.split(delimiter).map((cell) => cell.trim().replace(/^"(.*)"$/, '$1')));
  const hasComma = cells.some((cell) => /^[+-]?\d*,\d+$/.test(cell));
  return hasComma && !cells.some((cell) => /^[+-]?\d*\.\d+$/.test(cell)) ? ',' : '.';
}

/** Names from the header. An empty one becomes `column_3`; a second `a` becomes `a_2`. */
function columnNames(header: readonly string[]): string[] {
  const names: string[] = [];
  for (const [index, cell] of header.entries()) {
    const name = cell.trim() || `column_${index + 1}`;
    let unique = name;
    for (let number = 2; names.includes(unique); number++) unique = `${name}_${number}`;
    names.push(unique);
  }
  return names;
}

async function* readRecords(scope: Scope, path: string, format: Format, signal: AbortSignal): AsyncGenerator<string[]> {
  const { handle, bytes } = await openInside(scope, path, MAX_TABLE_BYTES);
  // Reads only as many bytes as the file has now, because a growing file may never end.
  const source = handle.createReadStream({ signal, end: Math.max(0, bytes - 1) });
  const parser = parse({
    bom: true,
    delimiter: format.delimiter,
    encoding: format.encoding,
    max_record_size: MAX_ROW_BYTES,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  });
  source.on('error', (error) => parser.destroy(error));
  try {
    // Without the option `columns` each record is a list of texts.
    for await (const record of source.pipe(parser) as AsyncIterable<string[]>) yield record;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof Error) || !('code' in error) || !String(error.code).startsWith('CSV_')) throw error;
    const hint = 'A quote may be unclosed. Correct the file, or read it with read_file.';
    throw refusal(
      scope,
      `${shown(path)} cannot be read as a table near line ${parser.info.lines}: ${error.message}. ${hint}`,
      { cause: error },
    );
  } finally {
    parser.destroy();
    source.destroy();
    await handle.close();
  }
}
