/** Finds how the lines of a text table are made: delimiter, title lines, and the header. */
import { RefusedTable } from './refused-table.ts';

const DELIMITERS = [',', ';', '\t', '|'] as const;
/** A character that no text has, for tables of one column. */
const NO_DELIMITER = '\u001F';
const MAX_COLUMNS = 1_000;
const RECORDS_READ = 500;
/** A delimiter has to give this share of the records the same number of fields. */
const MIN_AGREEING = 0.6;

export interface Layout {
  readonly delimiter: string;
  /** Lines before the first row of data, the header included. */
  readonly headerLines: number;
  /** Names of the columns: not empty, and different even if case is ignored. */
  readonly columns: readonly string[];
  readonly notes: readonly string[];
}

/** @param isWhole whether `sample` is all of the file */
export function findLayout(sample: string, isWhole: boolean): Layout {
  const separator = /^sep=(.)\n/.exec(sample);
  const body = separator === null ? sample : sample.slice(separator[0].length);
  const delimiter = separator?.[1] ?? bestDelimiter(body, isWhole);
  const records = readRecords(body, delimiter, isWhole);
  const header = findHeader(records);
  const record = records[header];
  if (record === undefined)
    throw new RefusedTable('has no header line. Give a file whose first line names the columns.');
  if (record.fields.length > MAX_COLUMNS)
    throw new RefusedTable(
      `has ${record.fields.length} columns, and the limit is ${MAX_COLUMNS}. Give a narrower table.`,
    );
  const titles = records.slice(0, header).filter(({ fields }) => fields.some((field) => field.trim() !== ''));
  return {
    delimiter,
    headerLines: record.endLine + (separator === null ? 0 : 1),
    columns: columnNames(record.fields, usualWidth(records.slice(header + 1)) ?? 0),
    notes: [
      ...(titles.length === 0
        ? []
        : [`The table begins after ${titles.length === 1 ? 'a title line' : `${titles.length} title lines`}.`]),
      ...(record.fields.every((field) => /^[\d.,:/ -]+$/.test(field.trim()))
        ? ['The first line was read as the header, although it has no words.']
        : []),
    ],
  };
}

interface SampleRecord {
  readonly fields: readonly string[];
  /** Line on which it ends, counted from 1. */
  readonly endLine: number;
}

/** Reads records as RFC 4180 has them. The last one of a cut sample is left out. */
function readRecords(sample: string, delimiter: string, isWhole: boolean): SampleRecord[] {
  const records: SampleRecord[] = [];
  let [fields, field, isQuoted, line]: [string[], string, boolean, number] = [[], '', false, 1];
  const end = (): void => {
    records.push({ fields: [...fields, field], endLine: line });
    [fields, field] = [[], ''];
  };
  for (let index = 0; index < sample.length && records.length < RECORDS_READ; index++) {
    const character = sample[index] ?? '';
    if (isQuoted && character === '"' && sample[index + 1] === '"') {
      field += '"';
      index++;
    } else if (character === '"' && (isQuoted || field.trim() === '')) {
      if (!isQuoted) field = '';
      isQuoted = !isQuoted;
    } else if (!isQuoted && character === delimiter) {
      fields.push(field);
      field = '';
    } else if (!isQuoted && character === '\n') {
      end();
      line++;
    } else {
      if (character === '\n') line++;
      field += character;
    }
  }
  if (isWhole && records.length < RECORDS_READ && (field !== '' || fields.length > 0)) end();
  return records;
}

function bestDelimiter(sample: string, isWhole: boolean): string {
  let best: { delimiter: string; agreeing: number; width: number } | undefined;
  for (const delimiter of DELIMITERS) {
    const records = readRecords(sample, delimiter, isWhole).filter(isFilled);
    const width = usualWidth(records);
    if (width === undefined || width < 2) continue;
    const agreeing = records.filter(({ fields }) => fields.length === width).length / records.length;
    if (agreeing < MIN_AGREEING && records.length > 3) continue;
    if (beginsWithName(records, sample)) continue;
    if (best === undefined || agreeing > best.agreeing || (agreeing === best.agreeing && width > best.width))
      best = { delimiter, agreeing, width };
  }
  return best?.delimiter ?? NO_DELIMITER;
}

/**
 * Whether the first line is the name of a single column, and not the title of a wider table: one word with more below it,
 * or any text above a line of numbers. Then the sign separates no fields.
 */
function beginsWithName(records: readonly SampleRecord[], sample: string): boolean {
  const [first] = records;
  if (first === undefined || first.fields.length > 1) return false;
  const isWord = /^\S+\n(?!\s*\n)/.test(sample);
  const isNumber = (field: string): boolean => /^\D{0,3}\d[\d.,' ]*\D{0,4}$/.test(field.trim());
  return isWord || records[findHeader(records)]?.fields.some(isNumber) === true;
}

const isFilled = ({ fields }: SampleRecord): boolean => fields.some((field) => field.trim() !== '');

/** The most frequent number of fields. */
function usualWidth(records: readonly SampleRecord[]): number | undefined {
  const counts = new Map<number, number>();
  for (const { fields } of records.filter(isFilled)) counts.set(fields.length, (counts.get(fields.length) ?? 0) + 1);
  return [...counts].toSorted(([left, a], [right, b]) => b - a || right - left)[0]?.[0];
}

/** Lines with one filled field above a wider table are its title. */
function findHeader(records: readonly SampleRecord[]): number {
  const width = usualWidth(records) ?? 1;
  const isTitle = ({ fields }: SampleRecord): boolean => fields.filter((field) => field.trim() !== '').length <= 1;
  const filled = records.findIndex(isFilled);
  if (width < 2) return filled;
  const header = records.findIndex((record) => !isTitle(record));
  return header < 0 ? filled : header;
}

/** Names from the header. An empty one becomes `column_3`; a second `a` becomes `a_2`. */
function columnNames(header: readonly string[], width: number): string[] {
  const taken = new Set<string>();
  const cells = [...header, ...Array.from({ length: Math.max(0, width - header.length) }, () => '')];
  return cells.map((cell, index) => {
    const name = cell.normalize('NFC').replace(/\s+/g, ' ').trim() || `column_${index + 1}`;
    let unique = name;
    for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = `${name}_${number}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
}
