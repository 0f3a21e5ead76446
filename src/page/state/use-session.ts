/** One session as the page knows it: what the gateway says of it, and its events as they come. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { FollowEvent, SessionReport, TurnView } from '../../client.ts';
import { eventsPath, readSession, readTurns } from '../api/api.ts';
import { EventStream, type StreamState } from '../api/event-stream.ts';
import { ApiError } from '../api/http.ts';
import { endFold, type Fold, foldEvents, NOTHING } from './session-fold.ts';

/** Turns that are shown with their calls. Older ones are read from the transcript, if somebody wants them. */
const DETAILED_TURNS = 8;
/** After an event that changes more than text, so that a burst of them costs one request. */
const REFRESH_MS = 120;
/** While the session cannot be read. */
const RETRY_MS = 2_000;
const TEXT: readonly FollowEvent['type'][] = [
  'token',
  'reasoning',
  'reset',
  'model-started',
  'model-ended',
  'tool-started',
  'tool-progress',
];

export interface SessionShown {
  readonly report: SessionReport | undefined;
  readonly turns: readonly TurnView[];
  readonly fold: Fold;
  readonly stream: StreamState;
  /** Why the session cannot be read now. */
  readonly error: ApiError | undefined;
  readonly refresh: () => void;
}

const CLOSED: readonly SessionReport['status'][] = ['completed', 'expired', 'terminated', 'failed'];
export const isClosed = ({ status }: Pick<SessionReport, 'status'>): boolean => CLOSED.includes(status);

export function useSession(id: string): SessionShown {
  const [report, setReport] = useState<SessionReport>();
  const [turns, setTurns] = useState<readonly TurnView[]>([]);
  const [fold, setFold] = useState<Fold>(NOTHING);
  const [stream, setStream] = useState<StreamState>('connecting');
  const [error, setError] = useState<ApiError>();
  const reading = useRef<Reading>(undefined);

  useEffect(() => {
    const started = startReading(id, {
      onRead: (newReport, newTurns) => {
        setReport(newReport);
        setTurns(newTurns);
        setError(undefined);
      },
      onEvents: (events) => setFold((before) => foldEvents(before, events)),
      onState: setStream,
      onError: (problem) => setError(asApiError(problem)),
    });
    reading.current = started;
    return () => started.close();
  }, [id]);

  const refresh = useCallback(() => reading.current?.refresh(), []);
  const hasEnded = report !== undefined && isClosed(report);
  const shown = useMemo(() => (hasEnded ? endFold(fold) : fold), [fold, hasEnded]);
  return { report, turns, fold: shown, stream, error, refresh };
}

interface Reading {
  readonly refresh: () => void;
  readonly close: () => void;
}

interface Readers {
  readonly onRead: (report: SessionReport, turns: readonly TurnView[]) => void;
  readonly onEvents: (events: readonly FollowEvent[]) => void;
  readonly onState: (state: StreamState) => void;
  readonly onError: (problem: unknown) => void;
}

/** Reads the session, follows its events, and reads it again when they say that more than text has changed. */
function startReading(id: string, { onRead, onEvents, onState, onError }: Readers): Reading {
  const ended = new AbortController();
  const { signal } = ended;
  let source: EventStream | undefined;
  let timer: number | undefined;
  const read = async (): Promise<{ report: SessionReport; turns: readonly TurnView[] }> => {
    const [report, turns] = await Promise.all([readSession(id, signal), readTurns(id, signal)]);
    if (!signal.aborted) onRead(report, turns);
    return { report, turns };
  };
  /** Repeats the work as long as waiting helps. */
  const attempt = (work: () => Promise<unknown>): void => {
    work().catch((problem: unknown) => {
      if (signal.aborted) return;
      onError(problem);
      if (isPassing(problem)) timer = window.setTimeout(() => attempt(work), RETRY_MS);
    });
  };
  const refresh = (): void => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => attempt(read), REFRESH_MS);
  };
  const add = batched((events) => {
    if (signal.aborted) return;
    onEvents(events);
    if (events.some(({ type }) => !TEXT.includes(type))) refresh();
  });
  attempt(async () => {
    const { turns } = await read();
    if (signal.aborted) return;
    source = new EventStream({
      path: eventsPath(id),
      start: startOf(turns),
      onEvent: add,
      onState,
      isOver: async () => isClosed((await read()).report),
      onError,
    });
  });
  return {
    refresh,
    close: () => {
      ended.abort();
      window.clearTimeout(timer);
      source?.close();
    },
  };
}

/** The first of the newest turns; with few turns, the very first event. */
function startOf(turns: readonly TurnView[]): string {
  const first = turns.filter(({ number }) => number > 0).at(-DETAILED_TURNS);
  return first === undefined || first.number <= 1 ? 'from=0' : `turn=${encodeURIComponent(first.id)}`;
}

/** Text comes faster than a screen shows it. */
function batched(take: (events: readonly FollowEvent[]) => void): (event: FollowEvent) => void {
  let waiting: FollowEvent[] = [];
  return (event) => {
    waiting.push(event);
    if (waiting.length > 1) return;
    // A window that nobody sees draws no frames.
    const flush = (): void => {
      const events = waiting;
      waiting = [];
      take(events);
    };
    if (document.hidden) window.setTimeout(flush, 50);
    else window.requestAnimationFrame(flush);
  };
}

export function asApiError(problem: unknown): ApiError {
  if (problem instanceof ApiError) return problem;
  const detail = problem instanceof Error ? problem.message : String(problem);
  return new ApiError({ type: 'Internal', status: 0, detail });
}

/** Whether waiting helps: gateway, server or workers are away. */
export function isPassing(problem: unknown): boolean {
  return problem instanceof ApiError && (problem.status === 0 || problem.status >= 500 || problem.status === 429);
}
