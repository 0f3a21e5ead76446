/**
 * The worker's copies of conversations. Sessions hold the originals. A copy is valid if its checksum matches; a copy
 * that is missing, too short or different is refilled from the session.
 */
import { LRUCache } from 'lru-cache';
import { CopilotError } from '../contracts/errors.ts';
import { chain, type Message, type TranscriptAddress } from '../contracts/transcript.ts';
import type { TranscriptStats } from '../contracts/worker-report.ts';

/** A part of a conversation from its session: `messages` from index `from` up to `address`. */
export interface TranscriptPart {
  readonly address: TranscriptAddress;
  readonly from: number;
  readonly messages: readonly Message[];
}

/** Fetches the session's messages from an index on. */
export type FetchMessages = (from: number) => Promise<TranscriptPart>;

/** Only grows at its end; any other change replaces it. */
interface Copy {
  readonly epoch: number;
  readonly messages: Message[];
  /** Checksum at each length, one more than messages, so that reads of earlier addresses hit too. */
  readonly checks: number[];
  readonly bytes: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** Memory of a message besides its text. */
const MESSAGE_OVERHEAD_BYTES = 200;

export class TranscriptCache {
  readonly #copies: LRUCache<string, Copy>;
  readonly #refills = new Map<string, Promise<readonly Message[]>>();
  readonly #counts = { hits: 0, refills: 0, misses: 0 };

  /** @param options `maxBytes`: approximate limit of all copies together, default 64 MiB */
  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#copies = new LRUCache({
      maxSize: options.maxBytes ?? DEFAULT_MAX_BYTES,
      sizeCalculation: ({ bytes }) => bytes,
    });
  }

  /**
   * The messages at `address` of the conversation `key`, in a new array.
   * @throws CopilotError `Internal` if the session itself does not have these messages; what `fetch` throws
   */
  async read(key: string, address: TranscriptAddress, fetch: FetchMessages): Promise<readonly Message[]> {
    const copy = this.#copies.get(key);
    if (copy && matches(copy, address)) {
      this.#counts.hits += 1;
      return copy.messages.slice(0, address.length);
    }
    if (matches(emptyCopy(address.epoch), address)) return [];

    // Concurrent reads of the same address share a fetch.
    const wanted = JSON.stringify([key, address.epoch, address.length, address.check]);
    const refill =
      this.#refills.get(wanted) ?? this.#refill(key, address, fetch).finally(() => this.#refills.delete(wanted));
    this.#refills.set(wanted, refill);
    return (await refill).slice();
  }

  /**
   * Adds messages after `address` before the session has them. If the session records something else, the checksum of
   * the next read reveals it. A no-op unless the copy ends exactly at `address`.
   */
  append(key: string, address: TranscriptAddress, messages: readonly Message[]): void {
    const found = this.#copies.get(key);
    const starts = address.length === 0 && (found === undefined || found.epoch < address.epoch);
    const copy = starts ? emptyCopy(address.epoch) : found;
    if (!copy || copy.messages.length !== address.length || !matches(copy, address)) return;
    this.#copies.set(key, extend(copy, messages));
  }

  /** Drops a copy that will not be read again, such as the thread of an ended step. */
  drop(key: string): void {
    this.#copies.delete(key);
  }

  stats(): TranscriptStats {
    return { ...this.#counts, entries: this.#copies.size, bytes: this.#copies.calculatedSize };
  }

  async #refill(key: string, address: TranscriptAddress, fetch: FetchMessages): Promise<readonly Message[]> {
    const copy = this.#copies.get(key);
    const known = copy?.epoch === address.epoch && copy.messages.length < address.length ? copy : undefined;
    if (known) {
      const { messages, checks } = known;
      // A snapshot, because the copy may grow during the fetch.
      const base = { epoch: address.epoch, messages: messages.slice(), checks: checks.slice(), bytes: known.bytes };
      const filled = this.#accept(key, address, await fetch(messages.length), base);
      if (filled) {
        this.#counts.refills += 1;
        return filled;
      }
    }
    const filled = this.#accept(key, address, await fetch(0), emptyCopy(address.epoch));
    if (!filled) {
      throw new CopilotError('Internal', {
        problem: `The session does not have ${address.length} messages of epoch ${address.epoch}, which an activity asked for.`,
      });
    }
    this.#counts.misses += 1;
    return filled;
  }

  /** Stores `base` with the part after it if together they match `address`, and gives the messages up to `address`. */
  #accept(key: string, address: TranscriptAddress, part: TranscriptPart, base: Copy): readonly Message[] | undefined {
    if (part.address.epoch !== address.epoch || part.from !== base.messages.length) return undefined;
    const filled = extend(base, part.messages);
    if (!matches(filled, address)) return undefined;
    const present = this.#copies.get(key);
    const better =
      present &&
      (present.epoch > filled.epoch || (present.messages.length > filled.messages.length && matches(present, address)));
    if (!better) this.#copies.set(key, filled);
    return filled.messages.slice(0, address.length);
  }
}

/** An empty conversation has the check 0 in every epoch, so it needs no fetch. */
function emptyCopy(epoch: number): Copy {
  return { epoch, messages: [], checks: [0], bytes: MESSAGE_OVERHEAD_BYTES };
}

/** Whether a copy has exactly the messages that an address names, and perhaps more after them. */
function matches(copy: Copy, { epoch, length, check }: TranscriptAddress): boolean {
  return copy.epoch === epoch && copy.checks[length] === check;
}

/** Gives a new object around the same arrays, because an LRU cache only measures new values. */
function extend(copy: Copy, messages: readonly Message[]): Copy {
  let bytes = copy.bytes;
  for (const message of messages) {
    copy.messages.push(message);
    copy.checks.push(chain(copy.checks.at(-1) ?? 0, message));
    bytes += sizeOf(message);
  }
  return { ...copy, bytes };
}

/** Size in bytes, two for each UTF-16 unit. */
function sizeOf(message: Message): number {
  const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
  const characters = calls.reduce(
    (sum, call) => sum + call.arguments.length + call.name.length + call.id.length,
    message.text.length,
  );
  return MESSAGE_OVERHEAD_BYTES + 2 * characters;
}
