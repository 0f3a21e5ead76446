/**
 * Output for people and programs: results on stdout, everything else on stderr. No other module of the CLI writes to the
 * terminal, so nothing reaches it but visible text and our own colours.
 */
import { randomUUID } from 'node:crypto';
import { styleText } from 'node:util';
import { visible, visibleJson, VisibleStream } from '../contracts/visible-text.ts';
import { shortenText } from '../contracts/text-cut.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** A wrong value may be as long as a command line can be. */
const MAX_ERROR_CHARACTERS = 4_000;

/** Marks our own styles until the text is written. Nobody can guess it, so text of others has no styles. */
const STYLE_TAG = randomUUID();
const STYLED = new RegExp(`<${STYLE_TAG}:(/?[a-z]+)>`);

type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly writableLength?: number };

/** Back to the beginning of the line, which is erased. */
const CLEAR_LINE = '\r\u001b[2K';

/** Writes text to one stream, with visible marks in the place of what a terminal would obey or hide. */
export class Output {
  readonly #stream: OutputStream;
  readonly #pieces = new VisibleStream();

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY ?? false;
  }

  /** Writes text, with the colours of {@link paint}. */
  write(text: string): void {
    // The pattern has one group, so each other part is a style.
    const parts = text.split(STYLED).map((part, index) => (index % 2 === 0 ? visible(part) : this.#codeOf(part)));
    this.#stream.write(this.#pieces.end() + parts.join(''));
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  /** Writes a piece of a text that goes on, such as a model's answer. */
  writePiece(piece: string, style?: Style): void {
    const text = this.#pieces.push(piece);
    this.#stream.write(style === undefined ? text : this.#codeOf(style) + text + this.#codeOf(`/${style}`));
  }

  /** Writes a file: as it is for programs, as visible text on a terminal. */
  writeFile(content: Uint8Array): void {
    if (this.isTerminal) this.write(new TextDecoder().decode(content));
    else this.#stream.write(content as Uint8Array & string); // Node's streams take both
  }

  /** Erases the line that was begun. */
  clearLine(): void {
    this.#stream.write(CLEAR_LINE);
  }

  /** Ends when all that was written has left this process. */
  async written(): Promise<void> {
    // With nothing left, another write would fail on a stream that is closed or full.
    if (!this.#stream.writableLength) return;
    await new Promise<void>((resolve) => this.#stream.write('', () => resolve()));
  }

  /** Nothing if the stream is no terminal with colours. NO_COLOR and FORCE_COLOR are respected. */
  #codeOf(tag: string): string {
    const [start = '', end = ''] = styleText(tag.replace('/', '') as Style, '|', { stream: this.#stream }).split('|'); // `paint` made it
    return tag.startsWith('/') ? end : start;
  }
}

export const out = new Output(process.stdout);
export const err = new Output(process.stderr);

/** Which of the standard streams are terminals. */
export const isTerminal = {
  get stdin(): boolean {
    return process.stdin.isTTY ?? false;
  },
  get stdout(): boolean {
    return process.stdout.isTTY ?? false;
  },
  get stderr(): boolean {
    return process.stderr.isTTY ?? false;
  },
};

/** Asks a question that only `y` or `yes` agrees to. */
export async function confirm(question: string): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${visible(question)} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}

/** Ends the program when whoever reads its results has left: `head` closes the pipe before everything is written. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

/** The text, coloured when it is written to a terminal. */
export function paint(style: Style, text: string): string {
  return `<${STYLE_TAG}:${style}>${text}<${STYLE_TAG}:/${style}>`;
}

/** Writes one line of a result. */
export function say(line: string): void {
  out.line(line);
}

/** Writes one line about what the program is doing. */
export function remark(line: string): void {
  err.line(line);
}

/** Writes one JSON document: exactly this value, with escapes for what cannot be seen. */
export function sayJson(value: unknown, indent?: number): void {
  process.stdout.write(`${visibleJson(JSON.stringify(value, undefined, indent))}\n`);
}

/** Writes the result of a command, as JSON or as text. */
export function printResult(json: boolean | undefined, value: unknown, text: () => string): void {
  if (json) sayJson(value);
  else say(text());
}

export function cutLongText(text: string): string {
  return shortenText(text, MAX_ERROR_CHARACTERS);
}

/** The text as one line, as it is shown. */
export function oneLine(text: string): string {
  return visible(text.replaceAll(/[\t\n]/g, ' '));
}

/** The text as one line of at most `max` characters. */
export function shorten(text: string, max = 100): string {
  return shortenText(text.replaceAll(/\s+/g, ' ').trim(), max);
}
