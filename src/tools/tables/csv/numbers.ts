/** Statistics of numbers in one pass. */

/** Sum, extremes and deviation of the numbers added so far; undefined if there are too few. */
export class Numbers {
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;
  #sum = 0;
  /** Rounding errors of the additions to `#sum` (Neumaier), so that a million tenths add up exactly. */
  #lost = 0;
  /** Mean and sum of squared deviations (Welford). */
  #runningMean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count++;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
    const sum = this.#sum + value;
    this.#lost += Math.abs(this.#sum) >= Math.abs(value) ? this.#sum - sum + value : value - sum + this.#sum;
    this.#sum = sum;
    const deviation = value - this.#runningMean;
    this.#runningMean += deviation / this.#count;
    this.#squares += deviation * (value - this.#runningMean);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number | undefined {
    return this.#count === 0 ? undefined : this.#sum + this.#lost;
  }

  get mean(): number | undefined {
    return this.#count === 0 ? undefined : (this.#sum + this.#lost) / this.#count;
  }

  get min(): number | undefined {
    return this.#count === 0 ? undefined : this.#min;
  }

  get max(): number | undefined {
    return this.#count === 0 ? undefined : this.#max;
  }

  /** Standard deviation of the sample: divided by the count minus one. */
  get standardDeviation(): number | undefined {
    return this.#count < 2 ? undefined : Math.sqrt(this.#squares / (this.#count - 1));
  }
}
