/** What a person writes in a chat: an editable line of a terminal, or lines of a pipe. */
import { createInterface, type Interface } from 'node:readline';
import { PassThrough } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { PendingRequest } from '../../contracts/request.ts';
import { visible } from '../../contracts/visible-text.ts';
import { isTerminal, out } from '../terminal.ts';
import { type Input, PastedText } from './pasted-text.ts';

const BRACKETED_PASTE_ON = '\u001b[?2004h';
const BRACKETED_PASTE_OFF = '\u001b[?2004l';
/** At the end of a line it has the text go on in the next one. */
const CONTINUATION = '\\';

/** The prompt while no request waits. */
export const NO_REQUEST = '> ';

const DELETE = '\u007f';

/** One text, as Enter sent it. */
export interface Typed {
  readonly text: string;
  /** Whether it is a single line that was typed key by key. Nothing else decides a request. */
  readonly isTypedLine: boolean;
  /** The request that was on show when its first key was typed. Undefined for a pipe. */
  readonly about: PendingRequest | undefined;
}

/** Owns stdin during a chat. */
export class ChatInput {
  readonly isInteractive = isTerminal.stdin && isTerminal.stdout;
  readonly #lines: Interface;
  readonly #keys = new PassThrough();
  readonly #split = new PastedText();
  readonly #decoder = new StringDecoder('utf8');
  readonly #typed: Typed[] = [];
  #wake: () => void = () => undefined;
  #isClosed = false;
  #isPasted = false;
  /** The request that the prompt asks about, and the one that it asked about when the line was begun. */
  #shown: PendingRequest | undefined;
  #about: PendingRequest | undefined;
  /** The prompt of the next line. A line keeps the prompt that it was begun at. */
  #nextPrompt = NO_REQUEST;
  #isPromptShown = false;

  constructor(onInterrupt: () => void) {
    this.#lines = this.isInteractive
      ? createInterface({ input: this.#keys, output: process.stdout, terminal: true, prompt: NO_REQUEST })
      : createInterface({ input: process.stdin });
    this.#lines.on('SIGINT', onInterrupt);
    this.#lines.once('close', () => this.#end());
    if (this.isInteractive) this.#openTerminal();
    else this.#lines.on('line', (text) => this.#give({ text, isTypedLine: true, about: undefined }));
  }

  /** Everything that is sent until the input ends. */
  async *texts(): AsyncGenerator<Typed> {
    for (;;) {
      const typed = this.#typed.shift();
      if (typed) yield typed;
      else if (this.#isClosed) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Shows the prompt. A line that was begun before goes on, and is about what was on show then. */
  prompt(text: string, request: PendingRequest | undefined): void {
    if (this.#isClosed) return;
    this.#shown = request;
    this.#nextPrompt = text;
    if (this.#lines.line === '' || this.#about === request) this.#lines.setPrompt(text);
    this.#lines.prompt(true);
    this.#isPromptShown = true;
  }

  /** Shows nothing until the next prompt. A line that is begun meanwhile is about no request. */
  dropPrompt(): void {
    this.#shown = undefined;
    this.#nextPrompt = NO_REQUEST;
    if (this.#lines.line === '') this.#lines.setPrompt(NO_REQUEST);
  }

  /** Makes room for output. A line that was begun comes back with the next prompt. */
  leavePrompt(): void {
    if (!this.#isPromptShown) return;
    this.#isPromptShown = false;
    if (this.#lines.line === '') out.clearLine();
    else out.write('\n');
    // Readline erases that many rows above the cursor when it writes the prompt again.
    Object.assign(this.#lines, { prevRows: 0 });
  }

  close(): void {
    this.#lines.close();
  }

  #openTerminal(): void {
    const { stdin } = process;
    // Readline would read a paste as keys, so it gets only what is typed, and its raw mode is that of the terminal.
    Object.assign(this.#keys, { setRawMode: (isRaw: boolean) => stdin.setRawMode(isRaw) });
    stdin.setRawMode(true);
    stdin.on('data', this.#onData).once('end', this.#onEnd);
    process.stdout.write(BRACKETED_PASTE_ON);
    process.once('exit', this.#leavePasteMode);
  }

  #end(): void {
    this.#isClosed = true;
    this.#wake();
    if (!this.isInteractive) return;
    const { stdin } = process;
    stdin.off('data', this.#onData).off('end', this.#onEnd);
    stdin.setRawMode(false);
    stdin.pause();
    process.off('exit', this.#leavePasteMode);
    this.#leavePasteMode();
  }

  readonly #onData = (bytes: Buffer): void => {
    for (const input of this.#split.push(this.#decoder.write(bytes))) if (!this.#isClosed) this.#take(input);
  };

  readonly #onEnd = (): void => this.close();
  readonly #leavePasteMode = (): void => void process.stdout.write(BRACKETED_PASTE_OFF);

  #take(input: Input): void {
    const wasEmpty = this.#lines.line === '';
    if (input.kind === 'enter') return this.#enter();
    if (wasEmpty) {
      this.#about = this.#shown;
      this.#isPasted = false;
    }
    if (input.kind === 'insert') this.#insert(input.text, input.isPaste);
    else this.#press(input.text);
    // The next key begins another line, which may be about another request.
    if (!wasEmpty && this.#lines.line === '') this.prompt(this.#nextPrompt, this.#shown);
  }

  /** Has readline act on keys. Escape sequences are keys, too. */
  #press(keys: string): void {
    const [first, rest] = [keys.slice(0, 1), keys.slice(1)];
    const shown = first < ' ' || first === DELETE ? first + visible(rest) : visible(keys);
    this.#keys.emit('data', Buffer.from(shown));
  }

  #insert(text: string, isPaste: boolean): void {
    const { line, cursor } = this.#lines;
    this.#isPasted ||= isPaste;
    this.#setLine(line.slice(0, cursor) + text + line.slice(cursor), cursor + text.length);
  }

  #enter(): void {
    const text = this.#lines.line;
    if (text.endsWith(CONTINUATION)) {
      return this.#setLine(`${text.slice(0, -CONTINUATION.length)}\n`, text.length);
    }
    const isTypedLine = !this.#isPasted && !text.includes('\n');
    this.#press('\r');
    this.#isPromptShown = false;
    this.#isPasted = false;
    this.#lines.setPrompt(this.#nextPrompt);
    this.#give({ text, isTypedLine, about: text === '' ? this.#shown : this.#about });
  }

  #setLine(line: string, cursor = line.length): void {
    Object.assign(this.#lines, { line, cursor });
    this.#lines.prompt(true);
  }

  #give(typed: Typed): void {
    this.#typed.push(typed);
    this.#wake();
  }
}
