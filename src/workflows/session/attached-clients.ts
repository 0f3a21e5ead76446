/**
 * Who follows the session, in the memory of the worker that holds it: signs of life come as queries and cost no history.
 * Another worker, or the next run, knows nobody until the next sign of life, which clients give once a minute.
 */
import { type AttachedClient, type AttachPayload, MAX_ATTACHED, MAX_SILENCE_MS } from '../../contracts/attached.ts';

interface Seen {
  readonly client: AttachedClient;
  /** By the client's clock. */
  readonly atMs: number;
}

export class AttachedClients {
  readonly #seen = new Map<string, Seen>();

  /** Takes signs of life. @returns who follows the session at that time, the longest first */
  note({ now, here, left }: AttachPayload): readonly AttachedClient[] {
    const nowMs = Date.parse(now);
    for (const client of here) {
      this.#seen.delete(client.id);
      this.#seen.set(client.id, { client, atMs: nowMs });
    }
    for (const id of left) this.#seen.delete(id);
    // Those whose last sign of life is the oldest come first.
    for (const id of this.#seen.keys()) {
      if (this.#seen.size <= MAX_ATTACHED) break;
      this.#seen.delete(id);
    }
    return [...this.#seen.values()]
      .filter(({ atMs }) => nowMs - atMs < MAX_SILENCE_MS)
      .map(({ client }) => client)
      .toSorted((one, other) => Date.parse(one.since) - Date.parse(other.since));
  }
}
