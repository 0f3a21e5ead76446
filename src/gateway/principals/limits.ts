/** What one principal may have at a time, so that nobody takes the gateway from others. Each gateway counts for itself. */
import { CopilotError, type SessionHandle } from '../../client.ts';
import { isSettled } from '../../contracts/turn.ts';
import { GatewayError } from '../problem.ts';

export interface LimitSettings {
  readonly requestsPerMinute: number;
  /** Event streams that are open, those of other protocols too. */
  readonly streams: number;
  /** Sessions with a turn that runs or waits for its turn. Those that wait for a person do not count. */
  readonly sessionsAtWork: number;
  readonly bodyBytes: number;
}

const MINUTE_MS = 60_000;
/** Principals that are remembered before those who have been quiet for a minute are forgotten. */
const MANY = 1_000;
const WORK_RETRY_S = 5;
/** Seconds after which a caller may look whether a stream has ended. */
const STREAM_RETRY_S = 5;

interface Bucket {
  requests: number;
  atMs: number;
}

/** A minute's requests may come at once; then they are given back evenly. */
export class RequestRate {
  readonly #perMinute: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** @throws GatewayError `TooManyRequests` */
  take(name: string): void {
    const nowMs = Date.now();
    const perMs = this.#perMinute / MINUTE_MS;
    const bucket = this.#buckets.get(name) ?? { requests: this.#perMinute, atMs: nowMs };
    bucket.requests = Math.min(this.#perMinute, bucket.requests + (nowMs - bucket.atMs) * perMs);
    bucket.atMs = nowMs;
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > MANY) this.#forget(nowMs);
    if (bucket.requests < 1) {
      const retryAfterS = Math.max(1, Math.ceil((1 - bucket.requests) / perMs / 1_000));
      const message = `${name} has sent ${this.#perMinute} requests within a minute, which is the limit; wait ${retryAfterS} s.`;
      throw new GatewayError('TooManyRequests', message, { retryAfterS });
    }
    bucket.requests -= 1;
  }

  #forget(nowMs: number): void {
    for (const [name, { atMs }] of this.#buckets) if (nowMs - atMs >= MINUTE_MS) this.#buckets.delete(name);
  }
}

/** Event streams of each principal that are open, over whatever protocol. */
export class StreamLimit {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Before a stream begins.
   * @returns what is called when it has ended, any number of times
   * @throws GatewayError `TooManyFollowers`
   */
  admit(name: string): () => void {
    const open = this.#open.get(name) ?? 0;
    if (open >= this.#max) {
      const message = `${name} has ${open} event streams open; close one of them first.`;
      throw new GatewayError('TooManyFollowers', message, { retryAfterS: STREAM_RETRY_S });
    }
    this.#open.set(name, open + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const left = (this.#open.get(name) ?? 1) - 1;
      if (left === 0) this.#open.delete(name);
      else this.#open.set(name, left);
    };
  }
}

/** A place for a session at work. */
export interface WorkPlace {
  /** Names the session, which did not exist before. */
  readonly take: (session: SessionHandle) => void;
  /** Nothing began. */
  readonly release: () => void;
}

type Works = Map<string | symbol, SessionHandle | undefined>;

/** Looks at sessions only if the limit would be reached, so that a turn below it costs nothing. */
export class WorkLimit {
  readonly #max: number;
  readonly #works = new Map<string, Works>();

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Before a message is sent.
   * @param session undefined if it does not exist yet
   * @throws GatewayError `TooManyAtWork`
   */
  async admit(name: string, session?: SessionHandle): Promise<WorkPlace> {
    const works = this.#works.get(name) ?? new Map<string | symbol, SessionHandle | undefined>();
    this.#works.set(name, works);
    const isNew = session === undefined || !works.has(session.id);
    if (isNew && works.size >= this.#max) await removeIdle(works);
    if (isNew && works.size >= this.#max) {
      const message = `${name} has ${this.#max} sessions at work, which is the limit; wait until a turn has ended.`;
      throw new GatewayError('TooManyAtWork', message, { retryAfterS: WORK_RETRY_S });
    }
    const key = session?.id ?? Symbol('a session that begins');
    if (isNew) works.set(key, session);
    return {
      take: (begun) => {
        works.delete(key);
        works.set(begun.id, begun);
      },
      release: () => void (isNew && works.delete(key)),
    };
  }
}

async function removeIdle(works: Works): Promise<void> {
  await Promise.all(
    [...works].map(async ([key, session]) => {
      if (session !== undefined && !(await isAtWork(session))) works.delete(key);
    }),
  );
}

async function isAtWork(session: SessionHandle): Promise<boolean> {
  try {
    return (await session.turns()).some(({ status }) => !isSettled(status));
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    // One that is gone does not work; one that cannot be asked may.
    return error.type !== 'SessionNotFound';
  }
}
