/**
 * The worker's copies of conversations. The sessions hold the originals; a copy is as good as its checksum,
 * and a copy that is missing, too short or different is filled up from the session.
 */
import { LRUCache } from 'lru-cache';
import { CopilotError } from '../contracts/errors.ts';
import { chain, type Message, type TranscriptAddress } from '../contracts/transcript.ts';
import type { TranscriptStats } from '../contracts/worker-report.ts';

/** Part of a conversation as its session gives it: `messages` from index `from` on, up to `address`. */
export interface TranscriptPart {
  readonly address: TranscriptAddress;
  readonly from: number;
  readonly messages: readonly Message[];
}

/** Asks the session for its messages from an index on. */
export type FetchMessages = (from: number) => Promise<TranscriptPart>;

/** Grows at its end only; otherwise it is replaced. */
interface Copy {
  readonly epoch: number;
  readonly messages: Message[];
  /** Checksum at each length, so that a read of an earlier address is answered too. One more than messages. */
  readonly checks: number[];
  readonly bytes: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
/** What a message costs beside its text. */
const MESSAGE_OVERHEAD_BYTES = 200;

export class TranscriptCache {
  readonly #copies: LRUCache<string, Copy>;
  readonly #refills = new Map<string, Promise<readonly Message[]>>();
  readonly #counts = { hits: 0, refills: 0, misses: 0 };

  /** @param options `maxBytes`: rough bound of all copies together, default 64 MB */
  constructor(options: { readonly maxBytes?: number } = {}) {
    this.#copies = new LRUCache({
      maxSize: options.maxBytes ?? DEFAULT_MAX_BYTES,
      sizeCalculation: ({ bytes }) => bytes,
    });
  }

  /**
   * The messages at `address` of the conversation `key`. The array is the caller's own.
   * @throws CopilotError `Internal` where the session itself does not have the messages of that address; what `fetch` throws
   */
  async read(key: string, address: TranscriptAddress, fetch: FetchMessages): Promise<readonly Message[]> {
    const copy = this.#copies.get(key);
    if (copy && stands(copy, address)) {
      this.#counts.hits += 1;
      return copy.messages.slice(0, address.length);
    }
    if (stands(emptyCopy(address.epoch), address)) return [];

    // One fetch for all who want the same.
    const wanted = JSON.stringify([key, address.epoch, address.length, address.check]);
    const refill =
      this.#refills.get(wanted) ?? this.#refill(key, address, fetch).finally(() => this.#refills.delete(wanted));
    this.#refills.set(wanted, refill);
    return (await refill).slice();
  }

  /**
   * Adds what was made after `address`, before the session has it: where the session takes it in differently,
   * the next read finds out by the checksum. Ignored unless the copy ends exactly at `address`.
   */
  append(key: string, address: TranscriptAddress, messages: readonly Message[]): void {
    const found = this.#copies.get(key);
    const starts = address.length === 0 && (found === undefined || found.epoch < address.epoch);
    const copy = starts ? emptyCopy(address.epoch) : found;
    if (!copy || copy.messages.length !== address.length || !stands(copy, address)) return;
    this.#copies.set(key, extend(copy, messages));
  }

  /** Forgets a copy that nobody reads again, such as the thread of an ended step. */
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
      // As it is now: the copy may grow while the session is asked.
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
        problem: `The session does not have the ${address.length} messages of epoch ${address.epoch} that were asked for.`,
      });
    }
    this.#counts.misses += 1;
    return filled;
  }

  /** Stores `base` and the part behind it where together they are what `address` says, and gives them up to there. */
  #accept(key: string, address: TranscriptAddress, part: TranscriptPart, base: Copy): readonly Message[] | undefined {
    if (part.address.epoch !== address.epoch || part.from !== base.messages.length) return undefined;
    const filled = extend(base, part.messages);
    if (!stands(filled, address)) return undefined;
    const present = this.#copies.get(key);
    const better =
      present &&
      (present.epoch > filled.epoch || (present.messages.length > filled.messages.length && stands(present, address)));
    if (!better) this.#copies.set(key, filled);
    return filled.messages.slice(0, address.length);
  }
}

/** An empty conversation of any epoch has the check 0, so it needs no fetch. */
function emptyCopy(epoch: number): Copy {
  return { epoch, messages: [], checks: [0], bytes: MESSAGE_OVERHEAD_BYTES };
}

/** Whether a copy has exactly the messages that an address names, and perhaps more behind them. */
function stands(copy: Copy, { epoch, length, check }: TranscriptAddress): boolean {
  return copy.epoch === epoch && copy.checks[length] === check;
}

/** A new shell around the same arrays: an LRU cache counts the size of a new value only. */
function extend(copy: Copy, messages: readonly Message[]): Copy {
  let bytes = copy.bytes;
  for (const message of messages) {
    copy.messages.push(message);
    copy.checks.push(chain(copy.checks.at(-1) ?? 0, message));
    bytes += sizeOf(message);
  }
  return { ...copy, bytes };
}

/** Two bytes a UTF-16 unit. */
function sizeOf(message: Message): number {
  const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
  const characters = calls.reduce(
    (sum, call) => sum + call.arguments.length + call.name.length + call.id.length,
    message.text.length,
  );
  return MESSAGE_OVERHEAD_BYTES + 2 * characters;
}
