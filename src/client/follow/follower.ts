/**
 * Follows a session: its events, and the text and reasoning of its models while they write it.
 *
 * The history is long-polled, which costs nothing while nothing happens. New events are then queried from the session.
 * The text of a model call is in its heartbeats, which are read only while one runs. They say where its worker gives the
 * text directly; a follower that reaches it reads heartbeats no more. While a turn waits for a call, retries are looked
 * for now and then.
 */
import { CopilotError } from '../../contracts/errors.ts';
import { progress } from '../../contracts/messages.ts';
import type { ProgressEvent, ProgressPage } from '../../contracts/progress.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { announceFollower, type FollowsAs, thisProgram } from '../reading/presence.ts';
import { HistoryWatch, type Movement, readPersistently, runBefore } from './history-watch.ts';
import type { RetryEvent } from './call-retries.ts';
import { querySession, describeSession } from '../reading/session-queries.ts';
import { Cursor, parseCursor, type Position } from './cursor.ts';
import { FollowedCalls, type Look } from './followed-calls.ts';
import type { TextEvent } from './streamed-text.ts';
import type { ToolProgressEvent } from './tool-reports.ts';

/** An event of a session: its progress, text or reasoning of a model, a report of a tool, or a retry. */
export type FollowEvent = ProgressEvent | TextEvent | ToolProgressEvent | RetryEvent;

/** What a follower gets. */
export interface FollowOptions {
  /**
   * Number of the first event; 0 for all. Default: events after the call of `follow`. Of a model call that is already
   * running, the last 8 KiB of its text are given.
   */
  readonly from?: number | undefined;
  /** Goes on behind the last event of another follower: what its `cursor()` gave. Goes before `from`. */
  readonly after?: string | undefined;
  /** Only the events of this turn, until it ends: from `after` if given, else from its first one. */
  readonly turnId?: string | undefined;
  /** Who is shown as a follower meanwhile. Default: user and host of this program. Null: nobody. */
  readonly as?: FollowsAs | null | undefined;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
}

/** The events of a session, and how far they were given. */
export interface Following extends AsyncGenerator<FollowEvent, void, undefined> {
  /**
   * Where the events end that were given so far. A follower with `after` goes on there: no event and no text is missing
   * or comes twice, in whatever process and however much later, as long as the server keeps the session.
   * @throws as the iteration, if the first event could not be found
   */
  cursor(): Promise<string>;
}

/**
 * Begins where the session stands at the call, even if the iteration begins later. Ends when the session has ended and
 * all events were given, or when the signal aborts. Waits while server or workers are down.
 * @throws CopilotError `SessionNotFound`; `InvalidInput` if there is no such turn; both in the iteration
 */
export function followSession(
  link: ServerLink,
  sessionId: string,
  { from, after, turnId, signal, as = { name: thisProgram() } }: FollowOptions = {},
): Following {
  const position = after === undefined ? undefined : parseCursor(after);
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  const follower = new Follower(link, sessionId, ended.signal);
  // Before the iteration begins, which may be after the caller has sent a message.
  const joined = settled(follower.join({ position, turnId, from }));
  announceJoin(link, sessionId, joined);
  let cursor: Cursor | undefined;
  const behind = async (): Promise<Cursor> => {
    const run = await joined;
    if ('error' in run) throw run.error;
    return (cursor ??= new Cursor(run.value.position));
  };
  const announce = () => (as === null ? undefined : announceFollower(link, sessionId, as));
  const events = iterate(follower, joined, { turnId, ended: ended.signal, stop, behind, announce });
  return Object.assign(events, { cursor: async () => String(await behind()) });
}

/** Lets updates of the session wait for this follower and those before it. */
function announceJoin({ joins }: ServerLink, sessionId: string, joined: Promise<unknown>): void {
  const all = Promise.all([joins.get(sessionId), joined]).then(() => {
    if (joins.get(sessionId) === all) joins.delete(sessionId);
  });
  joins.set(sessionId, all);
}

async function* iterate(
  follower: Follower,
  joined: Promise<Settled<Joined>>,
  {
    turnId,
    ended,
    stop,
    behind,
    announce,
  }: {
    readonly turnId: string | undefined;
    readonly ended: AbortSignal;
    readonly stop: () => void;
    readonly behind: () => Promise<Cursor>;
    readonly announce: () => (() => Promise<void>) | undefined;
  },
): AsyncGenerator<FollowEvent, void, undefined> {
  let leave: (() => Promise<void>) | undefined;
  try {
    const cursor = await behind();
    const run = await joined;
    if ('error' in run || run.value.runId === undefined) return;
    leave = announce();
    for await (const event of follower.run(run.value.runId)) {
      // Before the event is given: whoever gets it asks for the cursor at once.
      cursor.pass(event);
      if (turnId === undefined) yield event;
      else if ('turnId' in event && event.turnId === turnId) {
        yield event;
        if (event.type === 'turn-ended') return;
      }
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  } finally {
    stop();
    await leave?.();
  }
}

interface Beginning extends Pick<FollowOptions, 'from' | 'turnId'> {
  readonly position: Position | undefined;
}

/** Where a follower begins. Without a run the session has ended, and there is nothing to give. */
interface Joined {
  readonly runId?: string;
  readonly position: Position;
}

/** The position of one follower: which events it has been given, and how much of each text. */
class Follower {
  readonly #link: ServerLink;
  readonly #sessionId: string;
  readonly #signal: AbortSignal;
  readonly #calls: FollowedCalls;
  #next = 0;

  constructor(link: ServerLink, sessionId: string, signal: AbortSignal) {
    this.#link = link;
    this.#sessionId = sessionId;
    this.#signal = signal;
    this.#calls = new FollowedCalls(link, sessionId, signal);
  }

  /** Finds the first event to give. */
  async join({ position, turnId, from }: Beginning): Promise<Joined> {
    const { isClosed, runId } = await readPersistently(this.#link, this.#sessionId, this.#signal, () =>
      describeSession(this.#link, this.#sessionId, { signal: this.#signal }),
    );
    if (position !== undefined) return { runId, position: this.#resume(position) };
    if (isClosed && from === undefined && turnId === undefined)
      return { position: { ...this.#position(), next: Number.MAX_SAFE_INTEGER } };
    const page = await this.#page(runId, 0);
    this.#next = turnId === undefined ? (from ?? page.next) : await this.#firstEventOf(turnId, runId, page);
    // Calls that are running at that point.
    for (const event of page.events) if (event.seq < this.#next) this.#calls.track(event);
    this.#calls.joinLate();
    return { runId, position: this.#position() };
  }

  #resume(position: Position): Position {
    const { session, next, turns, calls, told } = position;
    if (session !== this.#sessionId) {
      throw new CopilotError('InvalidInput', { what: 'after', problem: `it is a cursor of session "${session}"` });
    }
    this.#next = next;
    this.#calls.resume({ turns, calls, told });
    return position;
  }

  #position(): Position {
    return { session: this.#sessionId, next: this.#next, ...this.#calls.position };
  }

  async #firstEventOf(turnId: string, runId: string, page: ProgressPage): Promise<number> {
    for (let [run, { events }]: [string, ProgressPage] = [runId, page]; ;) {
      const first = events.find((event) => 'turnId' in event && event.turnId === turnId);
      // Its earlier events, if any, are in the run before.
      if (first?.type === 'queued') return first.seq;
      const before = await runBefore(this.#link, this.#sessionId, run, this.#signal);
      const earlier = before === undefined ? undefined : await this.#page(before, 0);
      if (before === undefined || earlier === undefined) {
        if (first !== undefined) return first.seq;
        throw new CopilotError('InvalidInput', { what: `turn "${turnId}"`, problem: 'the session has no such turn' });
      }
      [run, { events }] = [before, earlier];
    }
  }

  async *run(runId: string): AsyncGenerator<FollowEvent, void, undefined> {
    const watch = new HistoryWatch(this.#link, this.#sessionId, runId, this.#signal);
    try {
      yield* this.#catchUp(runId);
      yield* this.#followHistory(watch);
    } finally {
      this.#calls.leave();
    }
  }

  async *#followHistory(watch: HistoryWatch): AsyncGenerator<FollowEvent, void, undefined> {
    for (;;) {
      const movement = yield* this.#textUntil(settled(watch.next()));
      if (movement.hasCancelled) this.#calls.nudge();
      if (movement.hasRun || movement.isClosed || movement.nextRunId !== undefined) {
        const run = movement.nextRunId ?? watch.runId;
        yield* this.#catchUp(run);
        if (movement.nextRunId !== undefined) watch.moveTo(movement.nextRunId);
      }
      if (movement.isClosed) return;
    }
  }

  /** Events up to now, including those of earlier runs. */
  async *#catchUp(runId: string): AsyncGenerator<FollowEvent, void, undefined> {
    const page = await this.#page(runId, this.#next);
    const missed: ProgressPage[] = [];
    for (let { first } = page, before: string | undefined = runId; first > this.#next;) {
      before = await runBefore(this.#link, this.#sessionId, before, this.#signal);
      if (before === undefined) break;
      const earlier = await this.#page(before, this.#next);
      missed.unshift(earlier);
      ({ first } = earlier);
    }
    for (const { events } of [...missed, page]) {
      for (const event of events) {
        if (event.seq < this.#next) continue;
        this.#next = event.seq + 1;
        yield* this.#calls.track(event);
        yield event;
      }
    }
    this.#next = Math.max(this.#next, page.next);
  }

  async #page(runId: string, from: number): Promise<ProgressPage> {
    const signal = this.#signal;
    return await readPersistently(this.#link, this.#sessionId, signal, () =>
      querySession(this.#link, this.#sessionId, progress, [from, this.#calls.readsHeartbeats], { runId, signal }),
    );
  }

  /** Gives texts and retries until the history has new events. */
  async *#textUntil(moved: Promise<Settled<Movement>>): AsyncGenerator<FollowEvent, Movement, undefined> {
    const pause = new Pause();
    pause.restart(this.#calls.firstReadMs);
    // What is seen after the history has moved is forgotten: it may be of another call with the same id.
    const look: { running?: Promise<void>; seen?: Settled<Look> } = {};
    try {
      for (;;) {
        const first = await Promise.race([moved, look.running ?? pause.over, this.#calls.news]);
        if (first) {
          if ('error' in first) throw first.error;
          return first.value;
        }
        const { events, nextMs } = this.#calls.takeDirect();
        yield* events;
        if (nextMs !== undefined) pause.restart(nextMs);
        if (look.seen) {
          if ('error' in look.seen) throw look.seen.error;
          const compared = this.#calls.compare(look.seen.value);
          delete look.running;
          delete look.seen;
          yield* compared.events;
          pause.restart(compared.nextMs);
        } else if (pause.isOver) {
          look.running ??= settled(this.#calls.look()).then((seen) => void (look.seen = seen));
        }
      }
    } finally {
      pause.stop();
    }
  }
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };

/** Never rejects, so that it can be left unobserved while something else is awaited. */
async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** A wait that can be begun anew, and that leaves no timer behind. */
class Pause {
  #timer: NodeJS.Timeout | undefined;
  #over = Promise.withResolvers<undefined>();
  #isOver = false;

  /** Resolves when the time is over. */
  get over(): Promise<undefined> {
    return this.#over.promise;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** @param ms undefined: for ever */
  restart(ms: number | undefined): void {
    clearTimeout(this.#timer);
    if (this.#isOver) this.#over = Promise.withResolvers();
    this.#isOver = false;
    if (ms === undefined) return;
    const end = (): void => {
      this.#isOver = true;
      this.#over.resolve(undefined);
    };
    this.#timer = setTimeout(end, ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
