/** What a model has written in one attempt of a call, as it grows. */
import type { WrittenPart } from '../contracts/direct-text.ts';
import { wholeCharacters } from '../contracts/text-cut.ts';

/** How much of a text and of a reasoning a reader is given. */
export interface Reached {
  readonly text: number;
  readonly reasoning: number;
}

/** Largest part in UTF-16 units: what is held for a reader that does not read. */
const MAX_PART = 64 * 1024;

/** A text that any number of readers read at their own pace. It holds the text once, and nothing for a reader. */
export class WrittenText {
  #text = '';
  #reasoning = '';
  #hasEnded = false;
  readonly #end = Promise.withResolvers<void>();
  readonly #waiting = new Set<() => void>();
  readonly #onGrowth: () => void;

  /** @param onGrowth called with each addition */
  constructor(onGrowth: () => void = () => undefined) {
    this.#onGrowth = onGrowth;
  }

  get text(): string {
    return this.#text;
  }

  get reasoning(): string {
    return this.#reasoning;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Resolves when nothing more comes. */
  get ended(): Promise<void> {
    return this.#end.promise;
  }

  addText(delta: string): void {
    this.#text += delta;
    this.#grow();
  }

  addReasoning(delta: string): void {
    this.#reasoning += delta;
    this.#grow();
  }

  /** Nothing more comes. */
  end(): void {
    this.#hasEnded = true;
    this.#end.resolve();
    this.#wake();
  }

  /** What comes next for a reader, in whole characters; undefined if there is nothing yet. */
  behind({ text, reasoning }: Reached): WrittenPart | undefined {
    const [said, thought] = [nextOf(this.#text, text), nextOf(this.#reasoning, reasoning)];
    if (said === '' && thought === '') return undefined;
    return {
      ...(thought === '' ? {} : { reasoning: { offset: reasoning, text: thought } }),
      ...(said === '' ? {} : { text: { offset: text, text: said } }),
    };
  }

  /** Resolves when something was written, when the text has ended, or when the time is over. */
  async news(timeoutMs: number): Promise<void> {
    if (this.#hasEnded) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs).unref();
      this.#waiting.add(wake);
    });
  }

  #grow(): void {
    this.#wake();
    this.#onGrowth();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

const nextOf = (whole: string, from: number): string => wholeCharacters(whole.slice(from, from + MAX_PART));
