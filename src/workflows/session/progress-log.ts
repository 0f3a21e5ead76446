/** What happened in this run, for followers: kept in memory, numbered over all runs, made again by replay. */
import { workflowInfo } from '@temporalio/workflow';
import { MAX_PROGRESS_EVENTS } from '../../contracts/limits.ts';
import type { ProgressChange, ProgressEvent, ProgressPage } from '../../contracts/progress.ts';
import type { SessionState } from '../../contracts/session.ts';

export class ProgressLog {
  readonly #state: SessionState;
  readonly #first: number;
  readonly #events: ProgressEvent[] = [];

  constructor(state: SessionState) {
    this.#state = state;
    this.#first = state.progressSeq;
  }

  append(change: ProgressChange): void {
    this.#events.push({ seq: this.#state.progressSeq, at: new Date().toISOString(), ...change });
    this.#state.progressSeq += 1;
    if (this.#events.length > MAX_PROGRESS_EVENTS) this.#events.shift();
  }

  page(from: number): ProgressPage {
    return {
      runId: workflowInfo().runId,
      first: this.#first,
      next: this.#state.progressSeq,
      events: this.#events.filter(({ seq }) => seq >= from),
    };
  }
}
