/** Who follows which session: one feed a session, and its followers. */
import { randomUUID } from 'node:crypto';
import type { AttachedClient, Following, SessionHandle } from '../../client.ts';
import type { Call } from '../routes/route.ts';
import type { StreamLimit } from '../principals/limits.ts';
import { GatewayError } from '../problem.ts';
import { streamEvents } from './event-stream.ts';
import { Presence } from './presence.ts';
import { type FeedStart, type Given, SessionFeed } from './session-feed.ts';

interface Followed {
  readonly feed: SessionFeed;
  readonly presence: Presence;
}

/** The feeds of the sessions that somebody follows. */
export class EventHub {
  readonly #limit: StreamLimit;
  readonly #sessions = new Map<string, Followed>();
  readonly #open = new Set<AbortController>();
  #isClosed = false;
  #onEmpty: (() => void) | undefined;

  constructor(limit: StreamLimit) {
    this.#limit = limit;
  }

  /** How many streams are open. */
  get size(): number {
    return this.#open.size;
  }

  /** Who follows a session, in whatever way. */
  async attached(session: SessionHandle): Promise<readonly AttachedClient[]> {
    return await (this.#sessions.get(session.id)?.presence ?? new Presence(session)).all();
  }

  /**
   * Streams the events of a session.
   * @param isSignedIn whether the caller's key or token still counts
   * @param isClosed whether the session has ended: if there is nothing to give, the answer tells browsers not to come back
   * @throws GatewayError `TooManyFollowers`; as the iteration of `SessionHandle.follow`
   */
  async stream(
    session: SessionHandle,
    isClosed: boolean,
    { principal: { name, isBrowser }, isSignedIn }: Pick<Call, 'principal' | 'isSignedIn'>,
    start: FeedStart,
  ): Promise<Response> {
    if (this.#isClosed) throw new GatewayError('Stopping', 'The gateway stops; come back at once.', { retryAfterS: 1 });
    const giveBack = this.#limit.admit(name);
    const followed = this.#followed(session);
    const kind = isBrowser === true ? 'page' : 'gateway';
    const one: AttachedClient = { id: randomUUID(), name, kind, since: new Date().toISOString() };
    const left = new AbortController();
    if (!isClosed) followed.presence.add(one);
    this.#open.add(left);
    const leave = (): void => {
      if (!this.#open.delete(left)) return;
      left.abort();
      if (this.#open.size === 0) this.#onEmpty?.();
      if (!isClosed) followed.presence.remove(one);
      giveBack();
    };
    try {
      const events = followed.feed.follow(start, left.signal);
      // Errors such as a wrong cursor come before the first event, and get a status of their own.
      const first = await events.next();
      const second = isClosed ? await events.next() : undefined;
      if (second?.done === true) {
        leave();
        return new Response(null, { status: 204 });
      }
      return streamEvents(withFirst([first, ...(second ? [second] : [])], events), leave, isSignedIn);
    } catch (error) {
      leave();
      throw error;
    }
  }

  /**
   * Ends all streams. Their callers come back, perhaps to another gateway, and go on where they were.
   * @returns settles when every stream has its last bytes
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const { feed } of this.#sessions.values()) feed.close();
    for (const left of this.#open) left.abort();
    if (this.#open.size > 0) await empty;
  }

  #followed(session: SessionHandle): Followed {
    const known = this.#sessions.get(session.id);
    if (known) return known;
    const feed = new SessionFeed({
      open: (start, signal): Following => session.follow({ ...start, signal, as: null }),
      onEnd: () => {
        if (this.#sessions.get(session.id)?.feed === feed) this.#sessions.delete(session.id);
      },
    });
    const followed = { feed, presence: new Presence(session) };
    this.#sessions.set(session.id, followed);
    return followed;
  }
}

type Result = IteratorResult<Given, void>;

function withFirst(
  first: readonly Result[],
  events: AsyncIterator<Given, void, undefined>,
): AsyncIterator<Given, void, undefined> {
  const given = [...first];
  return { next: async () => given.shift() ?? (await events.next()) };
}
