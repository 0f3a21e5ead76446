/** Notices that a model repeats itself: small models sometimes write the same words until something stops them. */

/** Text at the end that must be one repetition, and the longest and shortest thing that is repeated. */
const WINDOW = 1_500;
const LONGEST_PERIOD = 300;
const LEAST_REPEATS = 5;
/** Characters between two looks. */
const INTERVAL = 256;

export class RepetitionGuard {
  #text = '';
  #looked = 0;

  /** @returns whether the text ends in one thing said over and over */
  add(delta: string): boolean {
    this.#text = (this.#text + delta).slice(-2 * WINDOW);
    this.#looked += delta.length;
    if (this.#looked < INTERVAL || this.#text.length < WINDOW) return false;
    this.#looked = 0;
    return isRepeating(this.#text.slice(-WINDOW));
  }
}

/** Numbers count as equal: a list of "Question 13?", "Question 14?" never ends either. */
function isRepeating(window: string): boolean {
  const text = window.replace(/\d+/g, '0');
  for (let period = 1; period <= LONGEST_PERIOD && period * LEAST_REPEATS <= text.length; period++) {
    let from = text.length - 1;
    while (from >= period && text[from] === text[from - period]) from--;
    if (from < period) return true;
  }
  return false;
}
