/** The time of a call, without the time in which it waits for people. */
export class CallClock {
  readonly #limit = new AbortController();
  #leftMs: number;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #pauses = 0;

  constructor(limitMs: number) {
    this.#leftMs = limitMs;
    this.#start();
  }

  /** Aborts when the time is up. */
  get signal(): AbortSignal {
    return this.#limit.signal;
  }

  /** Stands still while `work` runs. */
  async pauseFor<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pauses++ === 0) {
      this.stop();
      this.#leftMs -= performance.now() - this.#startedAt;
    }
    try {
      return await work();
    } finally {
      if (--this.#pauses === 0) this.#start();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#startedAt = performance.now();
    const end = (): void => this.#limit.abort(new Error('the time is up'));
    this.#timer = setTimeout(end, Math.max(0, this.#leftMs));
  }
}
