/** Finds how the lines of a text table are made: delimiter, title lines, and the header. */
import { RefusedTable } from './refused-table.ts';

const DELIMITERS = [',', ';', '\t', '|', '~', '^'] as const;
/** A character that no text has, for tables of one column. */
const NO_DELIMITER = '\u001F';
const MAX_COLUMNS = 1_000;
const RECORDS_READ = 500;
/** A delimiter has to give this share of the records the same number of fields; less if the header has as many. */
const MIN_AGREEING = 0.6;
const MIN_AGREEING_WITH_HEADER = 0.4;

export interface Layout {
  readonly delimiter: string;
  /** Lines before the first row of data, the header included, and the same as records, which may have several lines. */
  readonly headerLines: number;
  readonly headerRecords: number;
  /** Names of the columns: not empty, and different even if case is ignored. */
  readonly columns: readonly string[];
  /** Columns whose names are made up, by their place. */
  readonly unnamed: ReadonlySet<number>;
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
  const hasRule = delimiter === '|' && isRule(records[header + 1]);
  const rows = records.slice(header + (hasRule ? 2 : 1));
  const titles = records.slice(0, header).filter(({ fields }) => fields.some((field) => field.trim() !== ''));
  return {
    delimiter,
    headerLines: record.endLine + (separator === null ? 0 : 1) + (hasRule ? 1 : 0),
    headerRecords: header + 1 + (separator === null ? 0 : 1) + (hasRule ? 1 : 0),
    ...columnNames(record.fields, usualWidth(rows) ?? 0),
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
    const filled = readRecords(sample, delimiter, isWhole).filter(isFilled);
    const records = filled.slice(
      Math.max(
        0,
        filled.findIndex((record) => !isComment(record)),
      ),
    );
    const width = usualWidth(records);
    if (width === undefined || width < 2) continue;
    const agreeing = records.filter(({ fields }) => fields.length === width).length / records.length;
    const least = records[0]?.fields.length === width ? MIN_AGREEING_WITH_HEADER : MIN_AGREEING;
    if (agreeing < least && records.length > 3) continue;
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

/** A line with a remark above the table. */
const isComment = ({ fields }: SampleRecord): boolean => fields.length === 1 && /^\s*#/.test(fields[0] ?? '');

/** The line below the header of a table in Markdown. */
const isRule = (record: SampleRecord | undefined): boolean =>
  record?.fields.every((field) => /^\s*(:?-{2,}:?\s*)?$/.test(field)) === true && isFilled(record);

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

/** What nobody sees in a name: marks without width, and those that turn the direction of writing. */
const INVISIBLE = /[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g;

/** Names from the header. An empty one becomes `column_3`; a second `a` becomes `a_2`. */
function columnNames(header: readonly string[], width: number): Pick<Layout, 'columns' | 'unnamed'> {
  const taken = new Set<string>();
  const unnamed = new Set<number>();
  const cells = [...header, ...Array.from({ length: Math.max(0, width - header.length) }, () => '')];
  const columns = cells.map((cell, index) => {
    const given = cell.normalize('NFC').replace(INVISIBLE, '').replace(/\s+/g, ' ').trim();
    if (given === '') unnamed.add(index);
    const name = given || `column_${index + 1}`;
    let unique = name;
    for (let number = 2; taken.has(unique.toLowerCase()); number++) unique = `${name}_${number}`;
    taken.add(unique.toLowerCase());
    return unique;
  });
  return { columns, unnamed };
}
