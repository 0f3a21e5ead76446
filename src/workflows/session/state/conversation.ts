/** The live conversation: what models are told, until older messages are summarised. */
import { utf8Bytes } from '../../../contracts/utf8.ts';
import { IMAGE_TOKENS } from '../../../contracts/limits.ts';
import type { Segment } from '../../../contracts/session.ts';
import type { SessionState } from '../../../contracts/session-state.ts';
import {
  advance,
  dataBytes,
  EMPTY_TRANSCRIPT,
  imagesOf,
  type Message,
  placeholder,
} from '../../../contracts/transcript.ts';

export class Conversation {
  readonly #state: SessionState;

  constructor(state: SessionState) {
    this.#state = state;
  }

  append(messages: readonly Message[]): void {
    appendMessages(this.#state, messages);
  }

  /** Puts another conversation in the place of this one. */
  replace(messages: readonly Message[]): void {
    const address = { ...EMPTY_TRANSCRIPT, epoch: this.#state.transcript.address.epoch + 1 };
    this.#state.transcript = { address, messages: [], bytes: 0 };
    this.append(messages);
  }

  /** Puts a summary in the place of the oldest `count` messages, whose originals are in the archive. */
  summarise(count: number, summary: string, segment: Segment): void {
    this.#state.segments.push(segment);
    this.#putInPlace(count, placeholder(count, summary));
  }

  /** Puts a remark in the place of the oldest `count` messages. */
  omit(count: number): void {
    this.#putInPlace(count, placeholder(count));
  }

  #putInPlace(count: number, first: Message): void {
    const { address, messages } = this.#state.transcript;
    const live: Message[] = [first, ...messages.slice(count)];
    this.#state.transcript = {
      address: advance({ epoch: address.epoch + 1, length: 0, check: 0 }, live),
      messages: live,
      bytes: bytesOfMessages(live),
    };
  }
}

export function appendMessages({ transcript }: Pick<SessionState, 'transcript'>, messages: readonly Message[]): void {
  transcript.address = advance(transcript.address, messages);
  transcript.messages.push(...messages);
  transcript.bytes += bytesOfMessages(messages);
}

function bytesOfMessages(messages: readonly Message[]): number {
  return messages.reduce((sum, message) => sum + conversationBytes(message), 0);
}

/** Bytes of a message in the conversation: its text, what its provider needs back, and its images as if they were text. */
export function conversationBytes(message: Message): number {
  return utf8Bytes(message.text) + dataBytes(message) + imagesOf(message).length * IMAGE_TOKENS * BYTES_OF_A_TOKEN;
}

/** A token of English text has about four bytes. */
export const BYTES_OF_A_TOKEN = 4;
