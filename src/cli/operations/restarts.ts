/** When a process that died is started again, and when it is given up. */
import { CopilotError } from '../../contracts/errors.ts';
import { remark } from '../terminal.ts';

const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 30_000;
/** A process that ran for this long before it died is not counted with the deaths before. */
const CALM_MS = 60_000;
const MAX_DEATHS = 5;

export interface Death {
  /** Such as `SIGKILL`. */
  readonly how: string;
  /** How long it had run. */
  readonly ms: number;
}

/** Counts the deaths of one process in a row. */
export class Restarts {
  readonly #what: string;
  #deaths = 0;

  /** @param what begins a sentence, such as `The worker` */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * Tells a person of the death.
   * @returns the pause before the next start, in ms: 1 s, and twice as long after each death in a row, up to 30 s
   * @throws CopilotError `Internal` after five deaths in a row
   */
  pauseAfter({ how, ms }: Death): number {
    this.#deaths = ms > CALM_MS ? 1 : this.#deaths + 1;
    if (this.#deaths > MAX_DEATHS) {
      const problem = `${this.#what} ended ${this.#deaths} times in a row, the last time with ${how}. Its log says why.`;
      throw new CopilotError('Internal', { problem });
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (this.#deaths - 1), MAX_PAUSE_MS);
    remark(`${this.#what} ended with ${how}. It starts again in ${pauseMs / 1_000} s; sessions lose nothing.`);
    return pauseMs;
  }
}
