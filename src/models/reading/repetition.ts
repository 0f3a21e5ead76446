/** Notices that a model repeats itself: small models sometimes write the same words until something stops them. */

interface Measure {
  /** Characters at the end of the text that must be one repetition. */
  readonly window: number;
  readonly repeats: number;
}

/** To the letter: a plan may have steps that are much alike, but not the same. */
const SAME: Measure = { window: 1_500, repeats: 8 };
/** The same with numbers counted as equal, since "Question 13?", "Question 14?" does not end either. It takes far more of them. */
const COUNTING: Measure = { window: 4_000, repeats: 40 };
/** For thinking: nobody asks for equal lines there. */
const LONG: Measure = { window: 12_000, repeats: 40 };
const LONGEST_PERIOD = 300;
/** Characters between two looks. */
const INTERVAL = 256;

export class RepetitionGuard {
  readonly #isForm: boolean;
  readonly #window: number;
  #text = '';
  #looked = 0;

  /** @param isForm whether the text has a form, such as a plan: no form has many equal parts */
  constructor(isForm: boolean) {
    this.#isForm = isForm;
    this.#window = isForm ? COUNTING.window : LONG.window;
  }

  /** @returns whether the text ends in one thing said over and over */
  add(delta: string): boolean {
    this.#text += delta;
    this.#looked += delta.length;
    if (this.#looked < INTERVAL) return false;
    this.#looked = 0;
    this.#text = this.#text.slice(-this.#window);
    if (!this.#isForm) return isRepeating(this.#text, LONG);
    return isRepeating(this.#text, SAME) || isRepeating(this.#text.replace(/\d+/g, '0'), COUNTING, this.#text.length);
  }
}

function isRepeating(whole: string, { window, repeats }: Measure, length = whole.length): boolean {
  if (length < window) return false;
  const text = whole.slice(-window);
  for (let period = 1; period <= LONGEST_PERIOD && period * repeats <= text.length; period++) {
    let from = text.length - 1;
    while (from >= period && text[from] === text[from - period]) from--;
    if (from < period) return true;
  }
  return false;
}
