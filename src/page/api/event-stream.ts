/** The events of a session, in order, each once, over reloads of the gateway and of the network. */
import type { FollowEvent } from '../../client.ts';

/** All types, since an `EventSource` gives only those that it is asked for. */
const TYPES: Readonly<Record<FollowEvent['type'], true>> = {
  session: true,
  queued: true,
  'turn-started': true,
  routed: true,
  planned: true,
  'step-started': true,
  'step-ended': true,
  'model-started': true,
  'model-ended': true,
  'tool-started': true,
  'tool-ended': true,
  'tool-progress': true,
  request: true,
  decided: true,
  'handed-off': true,
  'plan-edited': true,
  compacted: true,
  'turn-ended': true,
  note: true,
  token: true,
  reasoning: true,
  reset: true,
  retry: true,
};
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** A browser has six connections to a gateway: a tab that nobody sees gives its one back. */
const HIDDEN_MS = 5_000;

/** `ended`: the session is closed and all events were given. */
export type StreamState = 'connecting' | 'live' | 'broken' | 'ended';

export interface StreamOptions {
  readonly path: string;
  /** Where the first connection begins, such as `from=0`. */
  readonly start: string;
  readonly onEvent: (event: FollowEvent) => void;
  readonly onState: (state: StreamState) => void;
  /** Asked when the gateway refuses the stream: whether there is nothing more to come. May throw what is wrong. */
  readonly isOver: () => Promise<boolean>;
  readonly onError: (error: unknown) => void;
}

/** Follows until it is closed. A browser connects again by itself, except after a refusal. */
export class EventStream {
  readonly #options: StreamOptions;
  #source: EventSource | undefined;
  #lastId = '';
  #pauseMs = FIRST_PAUSE_MS;
  #timer: number | undefined;
  #isClosed = false;
  readonly #onVisibility = (): void => this.#seen();

  constructor(options: StreamOptions) {
    this.#options = options;
    document.addEventListener('visibilitychange', this.#onVisibility);
    this.#open();
  }

  close(): void {
    this.#isClosed = true;
    document.removeEventListener('visibilitychange', this.#onVisibility);
    this.#pause();
  }

  #pause(): void {
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source?.close();
    this.#source = undefined;
  }

  #seen(): void {
    window.clearTimeout(this.#timer);
    if (document.hidden) this.#timer = window.setTimeout(() => this.#pause(), HIDDEN_MS);
    else if (this.#source === undefined) this.#open();
  }

  #open(): void {
    this.#pause();
    const { path, start, onEvent, onState } = this.#options;
    const source = new EventSource(`${path}?${this.#lastId === '' ? start : `after=${this.#lastId}`}`);
    this.#source = source;
    for (const type of Object.keys(TYPES)) {
      source.addEventListener(type, ({ data, lastEventId }: MessageEvent<string>) => {
        this.#lastId = lastEventId;
        onEvent(JSON.parse(data) as FollowEvent); // the gateway's event of this type
      });
    }
    // An id without an event says where the stream begins, and fires nothing.
    source.addEventListener('open', () => {
      this.#pauseMs = FIRST_PAUSE_MS;
      onState('live');
    });
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) void this.#refused();
      else onState('broken');
    });
  }

  /** A browser does not say why: the session may have ended, or the caller may have to sign in. */
  async #refused(): Promise<void> {
    const { isOver, onState, onError } = this.#options;
    this.#source = undefined;
    try {
      if (await isOver()) {
        this.#isClosed = true;
        return onState('ended');
      }
    } catch (error) {
      onError(error);
    }
    if (this.#isClosed) return;
    onState('broken');
    this.#timer = window.setTimeout(() => this.#open(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, MAX_PAUSE_MS);
  }
}
