/** Reads the text of running calls from their workers, for a follower that reaches them. */
import { createParser } from 'eventsource-parser';
import { type DirectAddress, END_EVENT, PROOF_HEADER, proofOf, WrittenPart } from '../../contracts/direct-text.ts';
import type { Excerpt } from '../../contracts/progress.ts';
import { parseJson } from '../../contracts/json.ts';

/** Then the worker counts as out of reach. Heartbeats are read meanwhile. */
const CONNECT_TIMEOUT_MS = 1_000;
/** A worker sends something every 2 s. */
const SILENCE_TIMEOUT_MS = 6_000;

/** An attempt of a call, and how much of its text was shown. */
export interface DirectCall {
  readonly activityId: string;
  readonly attempt: number;
  readonly address: DirectAddress;
  readonly shown: { readonly text: number; readonly reasoning: number };
}

/** What a worker gave. Both parts follow on what it gave before. */
export interface DirectNews {
  readonly activityId: string;
  readonly attempt: number;
  readonly text?: Excerpt | undefined;
  readonly reasoning?: Excerpt | undefined;
}

interface Stream {
  readonly call: DirectCall;
  readonly stop: AbortController;
  isOpen: boolean;
  /** What one read brought. The next read waits until it was taken, so a slow follower holds the worker's stream back. */
  parts: readonly WrittenPart[];
  taken: PromiseWithResolvers<void>;
}

/** How the stream of a call ended: with the call's attempt, broken off, or before it began. */
export type StreamEnd = 'ended' | 'broken' | 'unreached';

/** The open streams of one follower. Each address is tried once: whatever fails, heartbeats carry the text as well. */
export class DirectTexts {
  readonly #streams = new Map<string, Stream>();
  readonly #tried = new Map<string, string>();
  readonly #ends: StreamEnd[] = [];
  #news = Promise.withResolvers<void>();

  /** Settles when {@link take} gives something or a stream has begun or ended. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  /** Whether the call's text comes from its worker. */
  has(activityId: string): boolean {
    return this.#streams.get(activityId)?.isOpen === true;
  }

  /** Whether it does, or may soon. */
  isTrying(activityId: string): boolean {
    return this.#streams.has(activityId);
  }

  /** Connects to the worker of a call, unless that was tried before. */
  offer(call: DirectCall): void {
    const { activityId, address } = call;
    if (this.#tried.get(activityId) === address.url) return;
    this.drop(activityId);
    this.#tried.set(activityId, address.url);
    const taken = Promise.withResolvers<void>();
    const stream: Stream = { call, stop: new AbortController(), isOpen: false, parts: [], taken };
    this.#streams.set(activityId, stream);
    void this.#follow(stream);
  }

  /** What came since the last time, and how streams ended meanwhile. */
  take(): { readonly news: readonly DirectNews[]; readonly ends: readonly StreamEnd[] } {
    this.#news = Promise.withResolvers();
    const news: DirectNews[] = [];
    for (const stream of this.#streams.values()) {
      const { activityId, attempt } = stream.call;
      news.push(...stream.parts.map((part) => ({ activityId, attempt, ...part })));
      stream.parts = [];
      stream.taken.resolve();
    }
    return { news, ends: this.#ends.splice(0) };
  }

  /** Leaves a call that has ended or begins anew. */
  drop(activityId: string): void {
    const stream = this.#streams.get(activityId);
    this.#streams.delete(activityId);
    stream?.stop.abort();
    stream?.taken.resolve();
  }

  /** Leaves all other calls. */
  keep(activityIds: readonly string[]): void {
    for (const id of this.#streams.keys()) if (!activityIds.includes(id)) this.drop(id);
    for (const id of this.#tried.keys()) if (!activityIds.includes(id)) this.#tried.delete(id);
  }

  /** Has the workers send a heartbeat now, whose answer tells them if their call was cancelled. */
  nudge(): void {
    for (const { call, isOpen } of this.#streams.values()) if (isOpen) void askForHeartbeat(call.address);
  }

  async #follow(stream: Stream): Promise<void> {
    const { activityId } = stream.call;
    let end: StreamEnd = 'broken';
    const limit = limiter(stream.stop);
    try {
      end = await this.#read(stream, limit);
    } catch {
      // Whatever it is, heartbeats have the text.
    } finally {
      limit.clear();
    }
    stream.stop.abort();
    // What came last is still to be taken.
    if (stream.parts.length > 0 && this.#streams.get(activityId) === stream) await stream.taken.promise;
    if (this.#streams.get(activityId) !== stream) return;
    this.#streams.delete(activityId);
    this.#ends.push(stream.isOpen ? end : 'unreached');
    this.#news.resolve();
  }

  async #read(stream: Stream, limit: Limiter): Promise<StreamEnd> {
    const { call, stop } = stream;
    const { address, shown } = call;
    const query = new URLSearchParams({ text: String(shown.text), reasoning: String(shown.reasoning) });
    const request = { headers: authorized(address.token), redirect: 'error', signal: stop.signal } as const;
    limit.within(CONNECT_TIMEOUT_MS);
    const response = await fetch(`${address.url}?${query.toString()}`, request);
    const isWorker = response.headers.get(PROOF_HEADER) === proofOf(address.token, 'worker');
    if (response.status !== 200 || !isWorker || !response.body) throw new Error('not the worker of this call');
    stream.isOpen = true;
    this.#news.resolve();
    let hasEnded = false;
    const parts: WrittenPart[] = [];
    const parser = createParser({
      onEvent: ({ event, data }) => {
        if (event === END_EVENT) hasEnded = true;
        const { data: part } = WrittenPart.safeParse(parseJson(data));
        if (part) parts.push(part);
      },
    });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      limit.within(SILENCE_TIMEOUT_MS);
      const { done, value } = await reader.read();
      limit.clear();
      if (done) return hasEnded ? 'ended' : 'broken';
      parser.feed(decoder.decode(value, { stream: true }));
      if (parts.length === 0) continue;
      stream.parts = parts.splice(0);
      stream.taken = Promise.withResolvers();
      this.#news.resolve();
      await stream.taken.promise;
      if (stop.signal.aborted) return 'broken';
    }
  }
}

/** Has the worker of a call send a heartbeat now. Does nothing if the worker cannot be reached. */
export async function askForHeartbeat({ url, token }: DirectAddress): Promise<void> {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const request = { method: 'POST', headers: authorized(token), redirect: 'error', signal } as const;
  try {
    const { body } = await fetch(`${url}/beat`, request);
    await body?.cancel();
  } catch {
    // The worker learns of it by its next heartbeat.
  }
}

const authorized = (token: string): Record<string, string> => ({
  authorization: `Bearer ${proofOf(token, 'follower')}`,
});

/** Aborts what takes too long. */
interface Limiter {
  within(ms: number): void;
  clear(): void;
}

function limiter(stop: AbortController): Limiter {
  let timer: NodeJS.Timeout | undefined;
  return {
    within: (ms) => {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort(), ms);
    },
    clear: () => clearTimeout(timer),
  };
}
