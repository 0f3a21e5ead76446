/** Waits for events in a session's history, at the cost of one long poll. */
import { retry } from '../../connection/retry.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { ServerLink } from '../../connection/server-link.ts';

/** The server ends a long poll without events after 20 s. */
const POLL_TIMEOUT_MS = 60_000;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;

/** `temporal.api.enums.v1.EventType` */
const EVENT = {
  executionStarted: 1,
  executionCompleted: 2,
  executionFailed: 3,
  executionTimedOut: 4,
  workflowTaskCompleted: 7,
  activityCancelRequested: 15,
  executionCancelled: 21,
  executionTerminated: 27,
  continuedAsNew: 28,
} as const;
const CLOSING: readonly number[] = [
  EVENT.executionCompleted,
  EVENT.executionFailed,
  EVENT.executionTimedOut,
  EVENT.executionCancelled,
  EVENT.executionTerminated,
];

/** What new events in the history mean for a follower. */
export interface Movement {
  /** Whether the workflow code has run, so that there may be new progress to query. */
  readonly hasRun: boolean;
  readonly isClosed: boolean;
  /** Whether a running call was cancelled, which its worker learns by its next heartbeat. */
  readonly hasCancelled: boolean;
  /** The run that continues this one, if it ended with continue-as-new. */
  readonly nextRunId: string | undefined;
}

/** Reads the history of one run after the other, each event once. */
export class HistoryWatch {
  readonly #link: ServerLink;
  readonly #sessionId: string;
  readonly #signal: AbortSignal;
  #runId: string;
  #pageToken: Uint8Array | undefined;

  constructor(link: ServerLink, sessionId: string, runId: string, signal: AbortSignal) {
    this.#link = link;
    this.#sessionId = sessionId;
    this.#runId = runId;
    this.#signal = signal;
  }

  get runId(): string {
    return this.#runId;
  }

  moveTo(runId: string): void {
    this.#runId = runId;
    this.#pageToken = undefined;
  }

  /**
   * Waits for the next events, also while the server is down.
   * @throws CopilotError `SessionNotFound` if the session was deleted
   */
  async next(): Promise<Movement> {
    for (;;) {
      const events = await readPersistently(this.#link, this.#sessionId, this.#signal, () => this.#poll());
      if (events.length === 0) continue;
      const types = events.map(({ eventType }) => eventType ?? 0);
      return {
        hasRun: types.includes(EVENT.workflowTaskCompleted),
        hasCancelled: types.includes(EVENT.activityCancelRequested),
        isClosed: types.some((type) => CLOSING.includes(type)),
        nextRunId:
          events.find(({ eventType }) => eventType === EVENT.continuedAsNew)
            ?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined,
      };
    }
  }

  async #poll() {
    const { history, nextPageToken } = await this.#link.call(
      () =>
        this.#link.client.workflowService.getWorkflowExecutionHistory({
          namespace: this.#link.namespace,
          execution: { workflowId: this.#sessionId, runId: this.#runId },
          waitNewEvent: true,
          skipArchival: true,
          ...(this.#pageToken === undefined ? {} : { nextPageToken: this.#pageToken }),
        }),
      { timeoutMs: POLL_TIMEOUT_MS, signal: this.#signal },
    );
    this.#pageToken = nextPageToken.length > 0 ? nextPageToken : undefined;
    return history?.events ?? [];
  }
}

/** The run that this one continues; undefined for the first. */
export async function runBefore(
  link: ServerLink,
  sessionId: string,
  runId: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { history } = await readPersistently(link, sessionId, signal, () =>
    link.call(
      () =>
        link.client.workflowService.getWorkflowExecutionHistory({
          namespace: link.namespace,
          execution: { workflowId: sessionId, runId },
          maximumPageSize: 1,
          skipArchival: true,
        }),
      { signal },
    ),
  );
  return history?.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || undefined;
}

/** Repeats a read as long as only the server or the workers are missing. */
export async function readPersistently<T>(
  link: ServerLink,
  sessionId: string,
  signal: AbortSignal,
  read: () => Promise<T>,
): Promise<T> {
  return await retry(read, {
    firstPauseMs: FIRST_PAUSE_MS,
    maxPauseMs: MAX_PAUSE_MS,
    signal,
    onFailure: async (error) => {
      const known = await link.explain(error, sessionId);
      if (!(known instanceof CopilotError) || !known.retryable) throw known;
    },
  });
}
