/** Tells a session who follows it through this gateway: one sign of life a minute for all of them together. */
import type { AttachedClient, SessionHandle } from '../../client.ts';

/** Of the five minutes after which a client counts as gone. */
const INTERVAL_MS = 60_000;
/** Those who come and go together are one sign. */
const TOGETHER_MS = 250;

export class Presence {
  readonly #session: SessionHandle;
  readonly #here = new Map<string, AttachedClient>();
  #left: string[] = [];
  #soon: NodeJS.Timeout | undefined;
  #interval: NodeJS.Timeout | undefined;

  constructor(session: SessionHandle) {
    this.#session = session;
  }

  add(client: AttachedClient): void {
    this.#here.set(client.id, client);
    this.#interval ??= setInterval(() => this.#sign(), INTERVAL_MS).unref();
    this.#signSoon();
  }

  remove({ id }: AttachedClient): void {
    this.#here.delete(id);
    this.#left.push(id);
    if (this.#here.size === 0) {
      clearInterval(this.#interval);
      this.#interval = undefined;
    }
    this.#signSoon();
  }

  /** Who follows the session, through other gateways and without one as well; through this one only, if nobody answers. */
  async all(): Promise<readonly AttachedClient[]> {
    const here = [...this.#here.values()];
    return await this.#session.attached({ here }).catch(() => here);
  }

  #signSoon(): void {
    this.#soon ??= setTimeout(() => this.#sign(), TOGETHER_MS).unref();
  }

  /** What does not arrive is made up for by the next one. */
  #sign(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const left = this.#left;
    this.#left = [];
    this.#session.attached({ here: [...this.#here.values()], left }).catch(() => undefined);
  }
}
