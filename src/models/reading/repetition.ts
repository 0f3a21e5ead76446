/** Notices that a model repeats itself: small models sometimes write the same words until something stops them. */

/** Text that must be one repetition, to the letter: a plan may have steps that are much alike, but not the same. */
const SAME = { window: 1_500, repeats: 8 };
/** The same with numbers counted as equal, since "Question 13?", "Question 14?" does not end either. It takes far more of them. */
const COUNTING = { window: 4_000, repeats: 40 };
const LONGEST_PERIOD = 300;
/** Characters between two looks. */
const INTERVAL = 256;

export class RepetitionGuard {
  #text = '';
  #looked = 0;

  /** @returns whether the text ends in one thing said over and over */
  add(delta: string): boolean {
    this.#text = (this.#text + delta).slice(-COUNTING.window);
    this.#looked += delta.length;
    if (this.#looked < INTERVAL || this.#text.length < SAME.window) return false;
    this.#looked = 0;
    if (isRepeating(this.#text.slice(-SAME.window), SAME.repeats)) return true;
    return this.#text.length >= COUNTING.window && isRepeating(this.#text.replace(/\d+/g, '0'), COUNTING.repeats);
  }
}

function isRepeating(text: string, repeats: number): boolean {
  for (let period = 1; period <= LONGEST_PERIOD && period * repeats <= text.length; period++) {
    let from = text.length - 1;
    while (from >= period && text[from] === text[from - period]) from--;
    if (from < period) return true;
  }
  return false;
}
