/** A wait that can be begun anew, and that leaves no timer behind. */
export class Pause {
  #timer: NodeJS.Timeout | undefined;
  #over = Promise.withResolvers<undefined>();
  #isOver = false;

  /** Resolves when the time is over. */
  get over(): Promise<undefined> {
    return this.#over.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @param ms undefined: for ever */
  restart(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (this.#isOver) this.#over = Promise.withResolvers();
    this.#isOver = false;
    if (ms === undefined) return;
    const end = (): void => {
      this.#isOver = true;
      this.#over.resolve(undefined);
    };
    this.#timer = setTimeout(end, ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
