/**
 * The events of one session for any number of followers, by one reader.
 *
 * A follower that comes back is given what it missed from what the feed keeps. If the feed does not reach that far back,
 * the follower reads the session by itself until it has caught up.
 */
import type { FollowEvent, Following } from '../../client.ts';
import { Cursor, parseCursor, type Position } from '../../client/follow/cursor.ts';
import { missingText } from './missing-text.ts';

/** Events that a feed keeps for followers that are slow or come back, and their size as JSON. */
const MAX_ENTRIES = 20_000;
const MAX_SIZE = 8 * 1024 * 1024;
/** How long a feed without followers goes on, since most followers that leave come back at once. */
const LINGER_MS = 10_000;

/** An event, with what followers write of it. */
interface Written {
  readonly event: FollowEvent;
  /** The event as JSON. */
  readonly data: string;
}

/** A cursor, and the event before it. The first one of a follower has no event. */
export interface Given {
  readonly cursor: string;
  readonly event?: FollowEvent;
  readonly data?: string;
}

interface Entry extends Written {
  /** Where the feed stands behind the event. */
  readonly position: Position;
}

/** A follower was so slow that the feed no longer has the event that comes next. It may come back with its cursor. */
class TooSlowError extends Error {}

/** Where a follower begins: behind a cursor, at the event of a number, or at what comes next. */
export interface FeedStart {
  readonly after?: string | undefined;
  readonly from?: number | undefined;
}

export interface FeedOptions {
  /** Follows the session, with a signal of its own. */
  readonly open: (start: FeedStart, signal: AbortSignal) => Following;
  /** Called when the session has ended, when it cannot be read any more, or when nobody has followed for a while. */
  readonly onEnd: () => void;
}

/** What one session told since the feed began, as far as it is kept. */
export class SessionFeed {
  readonly #options: FeedOptions;
  readonly #ended = new AbortController();
  readonly #waiting = new Set<() => void>();
  #entries: Entry[] = [];
  /** Number of the first kept entry. */
  #base = 0;
  /** Where the feed stands before that entry. Undefined until the reader has joined. */
  #before: Position | undefined;
  #size = 0;
  #followers = 0;
  /** The first follower's reading is what all others are given. */
  #hasReader = false;
  #idle: NodeJS.Timeout | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get followers(): number {
    return this.#followers;
  }

  /**
   * The events behind a cursor, from a number on, or from now on.
   * @throws TooSlowError; else as `SessionHandle.follow`
   */
  async *follow(start: FeedStart, signal: AbortSignal): AsyncGenerator<Given, void, undefined> {
    this.#followers += 1;
    clearTimeout(this.#idle);
    try {
      yield* this.#follow(start, signal);
    } finally {
      this.#followers -= 1;
      if (this.#followers === 0) this.#idle = setTimeout(() => this.close(), LINGER_MS).unref();
    }
  }

  /** Ends the feed and all who follow it. */
  close(): void {
    clearTimeout(this.#idle);
    this.#ended.abort();
    this.#finish({});
  }

  async *#follow(start: FeedStart, signal: AbortSignal): AsyncGenerator<Given, void, undefined> {
    const left = new AbortController();
    const stop = (): void => left.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const isFirst = !this.#hasReader;
    this.#hasReader = true;
    try {
      const own = this.#options.open(start, isFirst ? this.#ended.signal : left.signal);
      const cursor = new Cursor(parseCursor(await own.cursor()));
      if (isFirst) this.#read(own, cursor.position);
      yield { cursor: String(cursor) };
      if (!isFirst) yield* this.#catchUp(own, cursor, stop);
      if (!signal.aborted) yield* this.#tail(cursor, signal);
    } catch (error) {
      // Without a reader there is nothing to wait for. What one of the others asks for wrongly is its own affair.
      if (isFirst && this.#before === undefined) this.#finish({ error });
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      stop();
    }
  }

  /** Gives events of a follower of its own until the feed has what comes next. */
  async *#catchUp(own: Following, cursor: Cursor, stop: () => void): AsyncGenerator<Given, void, undefined> {
    if (this.#find(cursor.position) === undefined) {
      for await (const event of own) {
        yield give(cursor, { event, data: JSON.stringify(event) });
        if (this.#find(cursor.position) !== undefined) break;
      }
    }
    stop();
  }

  async *#tail(cursor: Cursor, signal: AbortSignal): AsyncGenerator<Given, void, undefined> {
    const found = this.#find(cursor.position);
    // Its own follower has come to the end of the session.
    if (found === undefined) return;
    for (const event of found.missing) yield give(cursor, { event, data: JSON.stringify(event) });
    for (let number = found.number; ; number++) {
      while (number >= this.#base + this.#entries.length) {
        if (signal.aborted) return;
        if (this.#end !== undefined) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        }
        await this.#news(signal);
      }
      const entry = this.#entries[number - this.#base];
      if (entry === undefined) throw new TooSlowError(`event ${number} is no longer kept`);
      yield give(cursor, entry);
    }
  }

  /** The kept entry that comes next at a position, and text before it that was not given there. */
  #find(wanted: Position): { readonly number: number; readonly missing: readonly FollowEvent[] } | undefined {
    if (this.#before !== undefined && this.#before.next > wanted.next) return undefined;
    for (let index = this.#entries.length; index >= 0; index--) {
      const position = index === 0 ? this.#before : this.#entries[index - 1]?.position;
      if (position === undefined || position.next < wanted.next) return undefined;
      if (position.next > wanted.next) continue;
      const events = this.#entries.slice(0, index).map(({ event }) => event);
      const missing = missingText(wanted, position, events);
      if (missing !== undefined) return { number: this.#base + index, missing };
    }
    return undefined;
  }

  #read(reader: Following, position: Position): void {
    this.#before = position;
    void this.#readAll(reader, new Cursor(position)).then(
      () => this.#finish({}),
      (error: unknown) => this.#finish({ error }),
    );
  }

  async #readAll(reader: Following, cursor: Cursor): Promise<void> {
    for await (const event of reader) {
      cursor.pass(event);
      const data = JSON.stringify(event);
      this.#entries.push({ event, data, position: cursor.position });
      this.#size += data.length;
      this.#trim();
      this.#wake();
    }
  }

  /** Forgets the older half when there is too much. */
  #trim(): void {
    if (this.#entries.length <= MAX_ENTRIES && this.#size <= MAX_SIZE) return;
    const old = this.#entries.splice(0, Math.ceil(this.#entries.length / 2));
    this.#before = old.at(-1)?.position ?? this.#before;
    this.#base += old.length;
    this.#size -= old.reduce((size, { data }) => size + data.length, 0);
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#wake();
    this.#options.onEnd();
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  async #news(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

function give(cursor: Cursor, { event, data }: Written): Given {
  cursor.pass(event);
  return { event, data, cursor: String(cursor) };
}
