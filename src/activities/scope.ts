/** What every activity does: it sends heartbeats, translates errors, and knows its session. */
import { ApplicationFailure, CancelledFailure, Context } from '@temporalio/activity';
import { CopilotError, type ErrorType, toFailure } from '../contracts/errors.ts';

/** Well below the heartbeat timeout in `workflows/activities.ts`. */
const HEARTBEAT_INTERVAL_MS = 1_000;

/** The same while nobody waits for what the heartbeats carry. */
const SLOW_HEARTBEAT_INTERVAL_MS = 2_000;

/** The server gives a call without a heartbeat for 5 s to another worker. */
const STALE_MS = 4_000;

/** A heartbeat is a write on the server, so a call that ends this soon after its first report sends none. */
const FIRST_REPORT_DELAY_MS = 25;

/** After this many attempts an unexpected error counts as a defect, and the turn fails instead of waiting. */
const MAX_ATTEMPTS = 5;

/** Attempts that take some two and a half minutes. */
const SOME_MINUTES = 10;

/**
 * Attempts after which these errors are final. They may go away, but a program that is not installed would block a turn
 * forever without telling anybody.
 */
const BOUNDED: Readonly<Partial<Record<ErrorType, number>>> = {
  McpUnavailable: MAX_ATTEMPTS,
  // Another worker has the tool, or gets it in a rolling deployment.
  ToolMissing: SOME_MINUTES,
};

export interface ActivityScope {
  readonly sessionId: string;
  readonly runId: string;
  /** Counted from 1. */
  readonly attempt: number;
  /** Aborts on interrupt, immediate suspend, timeout and worker shutdown. */
  readonly signal: AbortSignal;
  /** The same, but it does not abort because the server has given up the call. */
  readonly signalUnlessForgotten: AbortSignal;
  /** Whether this process has stood still during the call for so long that another worker may have it. */
  readonly isStale: () => boolean;
  /** Whether a person stopped the call. False if the worker shuts down. */
  readonly wasStopped: () => boolean;
  /** Sends what this gives with every heartbeat from now on, and with one at once. */
  readonly report: (details: () => unknown) => void;
  /** The same, but it waits for the next heartbeat that is due, which costs nothing. */
  readonly attach: (details: () => unknown) => void;
  /** Sends a heartbeat. Its answer says whether the call was cancelled. */
  readonly beat: () => void;
  /** Whether from now on a heartbeat every 2 s is enough, because nobody waits for what they carry. */
  readonly slowDown: (isSlow: boolean) => void;
}

/**
 * Runs the body of an activity.
 * @throws ApplicationFailure for a {@link CopilotError}, retryable as the error table says and after its `retryAfterMs`;
 * an unexpected error as it is. From the fifth attempt on, unexpected errors and `McpUnavailable` are final, and from the tenth `ToolMissing`
 */
export async function inScope<T>(work: (scope: ActivityScope) => Promise<T>): Promise<T> {
  const activity = Context.current();
  const { workflowExecution, attempt } = activity.info;
  let details = (): unknown => undefined;
  let firstReport: NodeJS.Timeout | undefined;
  let isReporting = false;
  let isSlow = false;
  let lastBeat = Date.now();
  let stoodStill = false;
  const isStale = () => (stoodStill ||= Date.now() - lastBeat > STALE_MS);
  const beat = () => {
    // After a pause the timer may run before whatever else waits.
    isStale();
    lastBeat = Date.now();
    // A local activity has no heartbeats.
    if (!activity.info.isLocal) activity.heartbeat(details());
  };
  const tick = () => {
    // Timers come a little early or late.
    if (!isSlow || Date.now() - lastBeat > SLOW_HEARTBEAT_INTERVAL_MS - HEARTBEAT_INTERVAL_MS / 2) beat();
  };
  const timer = setInterval(tick, HEARTBEAT_INTERVAL_MS);
  try {
    return await work({
      sessionId: workflowExecution?.workflowId ?? '',
      runId: workflowExecution?.runId ?? '',
      attempt,
      signal: activity.cancellationSignal,
      signalUnlessForgotten: unlessForgotten(activity),
      isStale,
      wasStopped: () => activity.cancellationDetails?.cancelRequested === true,
      attach: (next) => (details = next),
      report: (next) => {
        details = next;
        if (isSlow) return;
        if (isReporting) beat();
        else firstReport ??= setTimeout(() => ((isReporting = true), beat()), FIRST_REPORT_DELAY_MS);
      },
      beat,
      slowDown: (next) => {
        const waited = isSlow && !next;
        isSlow = next;
        if (waited) beat();
      },
    });
  } catch (error) {
    throw translate(error, activity.cancellationSignal, attempt);
  } finally {
    clearTimeout(firstReport);
    clearInterval(timer);
  }
}

function unlessForgotten(activity: Context): AbortSignal {
  const { cancellationSignal: signal } = activity;
  const stopping = new AbortController();
  signal.addEventListener('abort', () => {
    const { notFound = false, timedOut = false } = activity.cancellationDetails ?? {};
    if (!notFound && !timedOut) stopping.abort(signal.reason);
  });
  return stopping.signal;
}

function translate(error: unknown, signal: AbortSignal, attempt: number): unknown {
  if (signal.aborted)
    return signal.reason instanceof CancelledFailure ? signal.reason : new CancelledFailure('cancelled');
  if (error instanceof CopilotError) {
    const delay = 'retryAfterMs' in error && typeof error.retryAfterMs === 'number' ? error.retryAfterMs : undefined;
    const { type, details } = error;
    const isFinal = attempt >= (details['isUnreadable'] === true ? SOME_MINUTES : (BOUNDED[type] ?? Infinity));
    return toFailure(type, { ...details, ...(isFinal ? { isFinal } : {}) }, { nextRetryDelayMs: delay, isFinal });
  }
  if (error instanceof ApplicationFailure || attempt < MAX_ATTEMPTS) return error;
  return toFailure('Internal', { problem: error instanceof Error ? error.message : String(error) });
}
