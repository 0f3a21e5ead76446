/** Messages, and how a list of them is addressed without being passed along. */
import { z } from 'zod';
import { type ImageReference, Images } from './image.ts';
import { frozen, Json } from './json.ts';

/** A call that the model asks for. */
export const ToolCall = z.object({
  id: z.string(),
  name: z.string(),
  /** JSON text of an object. */
  arguments: z.string(),
  /** Why the call cannot be run as the model wrote it. The agent is told; nothing is called. */
  problem: z.string().optional(),
});
export type ToolCall = z.infer<typeof ToolCall>;

/**
 * What a message is that the session itself wrote in the person's place. `summary` and `omission` stand for older
 * messages. `unusable-answer`, `empty-answer` and `cut-answer` tell an agent once what is wrong with its answer.
 */
const NoticeKind = z.enum(['summary', 'omission', 'unusable-answer', 'empty-answer', 'cut-answer']);

export const UserMessage = z.object({
  role: z.literal('user'),
  text: z.string(),
  /** Absent from what a person wrote and from the task of a step. */
  kind: NoticeKind.optional(),
  /** Number of older messages that this one stands for, with `summary` and `omission`. */
  replaces: z.int().optional(),
  images: Images.optional(),
  turnId: z.string().optional(),
  /** Number of the turn. */
  turn: z.int().optional(),
});
export type UserMessage = z.infer<typeof UserMessage>;

/** What a provider needs back with its own message, word for word. Only `models/` looks into it. */
export const ProviderData = z.object({ provider: z.string(), items: z.array(Json).readonly() });
export type ProviderData = z.infer<typeof ProviderData>;

const AssistantMessage = z.object({
  role: z.literal('assistant'),
  text: z.string(),
  turnId: z.string().optional(),
  turn: z.int().optional(),
  /** Id of the agent that wrote it. */
  agent: z.string().optional(),
  toolCalls: z.array(ToolCall).optional(),
  providerData: ProviderData.optional(),
  /** Whether the text is only a part of the answer because the turn was interrupted. */
  partial: z.boolean().optional(),
  /** Type of the error with which its turn ended without an answer. */
  error: z.string().optional(),
});
const ToolMessage = z.object({
  role: z.literal('tool'),
  toolCallId: z.string(),
  text: z.string(),
  images: Images.optional(),
});

/** One message of a conversation. System messages are not stored: they are made from the team's templates for each call. */
export const Message = z.discriminatedUnion('role', [UserMessage, AssistantMessage, ToolMessage]);
export type Message = z.infer<typeof Message>;

/** The message that stands for `replaces` older ones: their summary, or a remark that they are left out. */
export function placeholder(replaces: number, summary?: string): UserMessage {
  return summary === undefined
    ? {
        role: 'user',
        kind: 'omission',
        replaces,
        text: `[${replaces} earlier messages of this conversation are not shown here.]`,
      }
    : {
        role: 'user',
        kind: 'summary',
        replaces,
        text: `[Summary of ${replaces} earlier messages of this conversation]\n${summary}`,
      };
}

/** Whether a message is a {@link placeholder}. */
export function standsForOthers(message: Message): boolean {
  return message.role === 'user' && (message.kind === 'summary' || message.kind === 'omission');
}

/**
 * Names the state of a list of messages. A worker that holds `length` messages of this `epoch` with this `check` holds
 * the same text; otherwise it asks the session for what it lacks.
 */
export const TranscriptAddress = z.object({
  /** Goes up when older messages are replaced by a summary. */
  epoch: z.number().int(),
  length: z.number().int(),
  /** Chained checksum of the messages, see {@link chain}. */
  check: z.number().int(),
});
export type TranscriptAddress = z.infer<typeof TranscriptAddress>;

export const EMPTY_TRANSCRIPT: Readonly<TranscriptAddress> = frozen({ epoch: 0, length: 0, check: 0 });

/** The address after `messages` are appended at `address`. Linear in the size of the new messages only. */
export function advance(address: TranscriptAddress, messages: readonly Message[]): TranscriptAddress {
  return {
    epoch: address.epoch,
    length: address.length + messages.length,
    check: messages.reduce((check, message) => chain(check, message), address.check),
  };
}

function detailOf(message: Message): unknown {
  if (message.role !== 'assistant') {
    const id = message.role === 'tool' ? message.toolCallId : null;
    return message.images === undefined ? id : [id, message.images];
  }
  const { toolCalls = null, providerData } = message;
  return providerData === undefined ? toolCalls : [toolCalls, providerData];
}

export function imagesOf(message: Message): readonly ImageReference[] {
  return message.role === 'assistant' ? [] : (message.images ?? []);
}

/** Bytes of what a provider needs back with a message. It can be larger than the text, and is ASCII for the most part. */
export function dataBytes(message: Message): number {
  if (message.role !== 'assistant' || message.providerData === undefined) return 0;
  return JSON.stringify(message.providerData).length;
}

/** What a model said in one round, as a worker and the session both write it down. */
export function assistantMessage(said: {
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly providerData?: ProviderData | undefined;
}): Message {
  const { text, toolCalls, providerData } = said;
  return {
    role: 'assistant',
    text,
    ...(toolCalls.length === 0 ? {} : { toolCalls: [...toolCalls] }),
    ...(providerData === undefined ? {} : { providerData }),
  };
}

/**
 * Chained 53-bit checksum (cyrb53, public domain, https://github.com/bryc/code). It finds a stale or
 * different copy, and guards against nothing else.
 */
export function chain(check: number, message: Message): number {
  const text = JSON.stringify([message.role, message.text, detailOf(message)]);
  let h1 = 0xdeadbeef ^ (check & 0xffffffff);
  let h2 = 0x41c6ce57 ^ (check / 0x100000000);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ code, 2654435761);
    h2 = Math.imul(h2 ^ code, 1597334677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2246822507) ^ Math.imul(h2 ^ (h2 >>> 13), 3266489909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2246822507) ^ Math.imul(h1 ^ (h1 >>> 13), 3266489909);
  return 4294967296 * (2097151 & h2) + (h1 >>> 0);
}
