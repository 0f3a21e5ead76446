/** Turns a text table of any encoding and line ends into one that DuckDB reads: UTF-8 with one kind of line end. */
import { isAscii, isUtf8 } from 'node:buffer';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { RefusedTable } from './refused-table.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;
const SAMPLE_BYTES = 256 * 1024;
const LINES_NAMED = 5;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;
const SPACE = 0x20;

type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'windows-1252';

export interface TextFile {
  /** What DuckDB reads: the file itself, or a corrected copy. */
  readonly path: string;
  /** The first {@link SAMPLE_BYTES}, decoded, with `\n` as line end. */
  readonly sample: string;
  /** Whether `sample` is the whole file. */
  readonly isWhole: boolean;
  /** Set if it is not UTF-8. */
  readonly encoding?: Exclude<Encoding, 'utf-8'>;
  /** Number of lines, the last one included even if no line end follows it. */
  readonly lines: number;
  readonly hasQuotes: boolean;
  readonly isAscii: boolean;
  /** What was odd, for the reader of the result. */
  readonly notes: readonly string[];
}

interface Scan {
  lines: number;
  crlf: number;
  lf: number;
  cr: number;
  hasQuotes: boolean;
  isAscii: boolean;
  /** How many pieces or lines are UTF-8 with characters beyond ASCII. */
  utf8Lines: number;
  /** Numbers of the first lines that are not UTF-8. */
  otherLines: number[];
  otherCount: number;
  endsWithLineEnd: boolean;
}

/**
 * @param path where the file can be read
 * @param copyPath where a corrected copy may be written
 * @throws RefusedTable if the file is empty or binary
 */
export function prepareText(path: string, copyPath: string): TextFile {
  const head = readHead(path);
  const wide = wideEncoding(head);
  const scan = scanLines(path, wide);
  if (scan.lines === 0) throw new RefusedTable('is empty. Give a file whose first line names the columns.');
  const isMixed = scan.utf8Lines > 0 && scan.otherCount > 0;
  const encoding = wide ?? (scan.otherCount > 0 ? 'windows-1252' : undefined);
  const lineEnds = [scan.crlf, scan.lf, scan.cr].filter((count) => count > 0).length;
  const needsCopy = encoding !== undefined || scan.cr > 0 || lineEnds > 1 || hasByteOrderMark(head);
  if (needsCopy) writeCopy(path, copyPath, wide);
  const readable = needsCopy ? copyPath : path;
  const sampleBytes = readHead(readable);
  return {
    path: readable,
    sample: new TextDecoder().decode(sampleBytes, { stream: true }).replaceAll('\r\n', '\n'),
    isWhole: sampleBytes.length < SAMPLE_BYTES,
    ...(encoding === undefined || isMixed ? {} : { encoding }),
    lines: scan.lines,
    hasQuotes: scan.hasQuotes,
    isAscii: scan.isAscii && wide === undefined,
    notes: isMixed
      ? [
          `Most of the file is UTF-8. Lines that are not were read as windows-1252: ${scan.otherLines.join(', ')}${scan.otherCount > scan.otherLines.length ? `, … (${scan.otherCount} in all)` : ''}.`,
        ]
      : [],
  };
}

function readHead(path: string): Buffer {
  const file = openSync(path, 'r');
  try {
    const head = Buffer.alloc(SAMPLE_BYTES);
    return head.subarray(0, readSync(file, head, 0, SAMPLE_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

function hasByteOrderMark(head: Buffer): boolean {
  return head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf;
}

/** UTF-16 by its byte order mark, or by its zero bytes. @throws RefusedTable if the zero bytes mean something else */
function wideEncoding(head: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  if (head[0] === 0xfe && head[1] === 0xff) return 'utf-16be';
  const zeros = [0, 0];
  for (const [index, byte] of head.entries()) if (byte === 0) zeros[index % 2] = (zeros[index % 2] ?? 0) + 1;
  const [even = 0, odd = 0] = zeros;
  if (even + odd === 0) return undefined;
  if (odd > head.length / 5 && even < odd / 20) return 'utf-16le';
  if (even > head.length / 5 && odd < even / 20) return 'utf-16be';
  throw new RefusedTable('is binary, not a table of text. Give CSV, TSV, JSON or Parquet.');
}

/** Whole lines of the file as bytes of an encoding that contains ASCII. */
function* wholeLines(path: string, wide: 'utf-16le' | 'utf-16be' | undefined): Generator<Buffer> {
  const file = openSync(path, 'r');
  const decoder = wide === undefined ? undefined : new TextDecoder(wide);
  try {
    let rest: Buffer = Buffer.alloc(0);
    for (let position = 0; ;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(file, chunk, 0, CHUNK_BYTES, position);
      if (length === 0) break;
      position += length;
      const bytes = chunk.subarray(0, length);
      const ascii = decoder === undefined ? bytes : Buffer.from(decoder.decode(bytes, { stream: true }));
      // A `\r` at the end may be half of `\r\n`, so a piece ends with `\n`.
      const end = ascii.lastIndexOf(LF) + 1;
      if (end === 0 && rest.length + ascii.length < 8 * CHUNK_BYTES) rest = Buffer.concat([rest, ascii]);
      else if (end === 0) {
        yield Buffer.concat([rest, ascii]);
        rest = Buffer.alloc(0);
      } else {
        yield rest.length === 0 ? ascii.subarray(0, end) : Buffer.concat([rest, ascii.subarray(0, end)]);
        rest = Buffer.from(ascii.subarray(end));
      }
    }
    if (rest.length > 0) yield rest;
  } finally {
    closeSync(file);
  }
}

function scanLines(path: string, wide: 'utf-16le' | 'utf-16be' | undefined): Scan {
  const scan: Scan = {
    lines: 0,
    crlf: 0,
    lf: 0,
    cr: 0,
    hasQuotes: false,
    isAscii: true,
    utf8Lines: 0,
    otherLines: [],
    otherCount: 0,
    endsWithLineEnd: true,
  };
  for (const piece of wholeLines(path, wide)) {
    const firstLine = scan.lines;
    countLineEnds(piece, scan);
    if (piece.includes(0)) throw new RefusedTable('is binary, not a table of text. Give CSV, TSV, JSON or Parquet.');
    if (!isUtf8(piece)) {
      scan.isAscii = false;
      findOtherLines(piece, firstLine, scan);
    } else if (!isAscii(piece)) {
      scan.isAscii = false;
      scan.utf8Lines++;
    }
  }
  if (!scan.endsWithLineEnd) scan.lines++;
  return scan;
}

function countLineEnds(piece: Buffer, scan: Scan): void {
  for (let index = 0; index < piece.length; index++) {
    const byte = piece[index];
    if (byte === QUOTE) scan.hasQuotes = true;
    else if (byte === LF) {
      scan.lf++;
      scan.lines++;
    } else if (byte === CR) {
      scan.lines++;
      if (piece[index + 1] === LF) {
        scan.crlf++;
        index++;
      } else scan.cr++;
    }
  }
  const last = piece.at(-1);
  scan.endsWithLineEnd = last === LF || last === CR;
}

function findOtherLines(piece: Buffer, linesBefore: number, scan: Scan): void {
  let line = linesBefore;
  for (const bytes of linesOf(piece)) {
    line++;
    if (!isUtf8(bytes)) {
      scan.otherCount++;
      if (scan.otherLines.length < LINES_NAMED) scan.otherLines.push(line);
    } else if (!isAscii(bytes)) scan.utf8Lines++;
  }
}

function* linesOf(piece: Buffer): Generator<Buffer> {
  for (let start = 0; start < piece.length;) {
    const at = piece.indexOf(LF, start);
    const end = at < 0 ? piece.length : at + 1;
    yield piece.subarray(start, end);
    start = end;
  }
}

function writeCopy(path: string, copyPath: string, wide: 'utf-16le' | 'utf-16be' | undefined): void {
  const copy = openSync(copyPath, 'wx', 0o600);
  const windows1252 = new TextDecoder('windows-1252');
  try {
    let isFirst = true;
    for (const piece of wholeLines(path, wide)) {
      const text = isUtf8(piece)
        ? piece.toString('utf8')
        : [...linesOf(piece)].map((line) => (isUtf8(line) ? line.toString('utf8') : windows1252.decode(line))).join('');
      writeSync(copy, (isFirst ? text.replace(/^\uFEFF/, '') : text).replace(/\r\n?/g, '\n'));
      isFirst = false;
    }
  } finally {
    closeSync(copy);
  }
}

/**
 * Finds the first quote that is never closed, or that text follows.
 * @throws RefusedTable with its line
 */
export function checkQuotes(path: string, delimiter: string): void {
  const separator = delimiter.charCodeAt(0);
  let [line, opened, isQuoted, isStart, isClosed] = [1, 0, false, true, false];
  for (const piece of wholeLines(path, undefined)) {
    for (const byte of piece) {
      if (byte === LF) line++;
      if (isQuoted) {
        if (byte === QUOTE) [isQuoted, isClosed] = [false, true];
      } else if (byte === separator || byte === LF) [isStart, isClosed] = [true, false];
      else if (byte === QUOTE && (isStart || isClosed)) {
        // Two quotes in a quoted field are one; the field goes on.
        if (isStart) opened = line;
        [isQuoted, isStart, isClosed] = [true, false, false];
      } else if (isClosed && byte !== CR && byte !== SPACE)
        throw new RefusedTable(brokenQuote(line, 'has text after a closing quote'));
      else if (byte !== SPACE) isStart = false;
    }
  }
  if (isQuoted) throw new RefusedTable(brokenQuote(opened, 'opens a quote that is never closed'));
}

function brokenQuote(line: number, what: string): string {
  return `cannot be read as a table: line ${line} ${what}. Correct the line, or look at it with read_file.`;
}
