/** Splits a stream of bytes into lines, in linear time and with a bound on the length of a line. */

/** A whole line without its end, or what is kept of one that is too long. */
export type Line = { readonly text: string } | { readonly head: string; readonly tail: string; readonly bytes: number };

const NEWLINE = 0x0a;
/** What is kept of the ends of a line that is too long. */
const KEPT_BYTES = 1_024;

export class LineReader {
  readonly #maxBytes: number;
  /** Parts of the line that has not ended. Of one that is too long, its head only. */
  #parts: Buffer[] = [];
  #bytes = 0;
  #tail = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this chunk. */
  *read(chunk: Buffer): Generator<Line> {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      this.#add(chunk.subarray(from, end));
      yield this.#take();
      from = end + 1;
    }
    if (from < chunk.length) this.#add(chunk.subarray(from));
  }

  /** What came after the last line end. */
  *end(): Generator<Line> {
    if (this.#bytes > 0) yield this.#take();
  }

  #add(part: Buffer): void {
    const wasTooLong = this.#bytes > this.#maxBytes;
    this.#bytes += part.length;
    if (this.#bytes <= this.#maxBytes) {
      this.#parts.push(part);
      return;
    }
    if (!wasTooLong) {
      const known = Buffer.concat([...this.#parts, part]);
      this.#parts = [Buffer.from(known.subarray(0, KEPT_BYTES))];
      this.#tail = Buffer.from(known.subarray(-KEPT_BYTES));
      return;
    }
    this.#tail = Buffer.from(Buffer.concat([this.#tail, part.subarray(-KEPT_BYTES)]).subarray(-KEPT_BYTES));
  }

  #take(): Line {
    const [whole, bytes, tail] = [Buffer.concat(this.#parts), this.#bytes, this.#tail];
    this.#parts = [];
    this.#bytes = 0;
    this.#tail = Buffer.alloc(0);
    const text = whole.toString('utf8').replace(/\r$/, '');
    return bytes > this.#maxBytes ? { head: text, tail: tail.toString('utf8'), bytes } : { text };
  }
}
