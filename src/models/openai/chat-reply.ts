/** Puts a reply together from chat completions: the chunks of a stream, or one plain answer. Tolerant of what servers leave out. */
import { z } from 'zod';
import { type Json, parseJson } from '../../contracts/json.ts';
import { unreadableReply } from '../errors.ts';
import { unusualEnd } from '../reading/ends.ts';
import type { Finish, TokenUsage } from '../model.ts';
import type { RawCall } from '../reading/calls.ts';
import type { ChatExtras } from './chat-request.ts';
import { keep } from './kept-fields.ts';

/** A number, also one that is written as a text; a negative one counts nothing. */
export const Count = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^\d+(\.\d*)?$/)
      .transform(Number),
  ])
  .pipe(z.number().nonnegative().transform(Math.round))
  .nullish()
  .catch(undefined);

/** Text, or nothing in place of whatever else a server puts there. */
const Text = z.string().nullish().catch(undefined);

/** A list without what is no element of it, such as `null`. */
function listOf<T extends z.ZodType>(element: T) {
  return z.array(z.unknown()).transform((list) =>
    list.flatMap((item) => {
      const { success, data } = element.safeParse(item);
      return success ? [data] : [];
    }),
  );
}

const Named = z.object({
  name: Text,
  // Some servers send the arguments parsed.
  arguments: z
    .union([z.string(), z.record(z.string(), z.unknown())])
    .nullish()
    .catch(undefined),
});

const CallPart = z.looseObject({
  index: z
    .preprocess((value) => (typeof value === 'string' && value !== '' ? Number(value) : value), z.int().nullish())
    .catch(undefined),
  id: z
    .union([z.string(), z.number().transform(String)])
    .nullish()
    .catch(undefined),
  // A few servers leave out the object around name and arguments.
  ...Named.shape,
  function: Named.nullish().catch(undefined),
});
type CallPart = z.infer<typeof CallPart>;

const ContentPart = z.union([
  z.string().transform((text) => ({ text, thinking: undefined })),
  z.looseObject({ text: Text }),
]);
const Content = z
  .union([z.string(), z.number().transform(String), listOf(ContentPart), ContentPart.transform((part) => [part])])
  .nullish();

const ReplyPart = z.looseObject({
  content: Content.catch(undefined),
  refusal: Text,
  tool_calls: z
    .union([listOf(CallPart), CallPart.transform((call) => [call])])
    .nullish()
    .catch(undefined),
  function_call: Named.nullish().catch(undefined),
});

const Usage = z
  .object({
    prompt_tokens: Count,
    completion_tokens: Count,
    // The names of Anthropic.
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: z.object({ cached_tokens: Count, cache_write_tokens: Count }).nullish().catch(undefined),
    completion_tokens_details: z.object({ reasoning_tokens: Count }).nullish().catch(undefined),
    // The names of DeepSeek and Moonshot.
    prompt_cache_hit_tokens: Count,
    cached_tokens: Count,
  })
  .nullish()
  .catch(undefined);

/** Some servers write `null` as a text. */
const Reason = z
  .union([
    z.string().transform((text) => (/^(null|none)$/i.test(text) ? '' : text)),
    z.object({ type: z.string() }).transform(({ type }) => type),
  ])
  .nullish()
  .catch(undefined);

const Choice = z.object({
  delta: ReplyPart.nullish().catch(undefined),
  message: ReplyPart.nullish().catch(undefined),
  // The form of completions without chat.
  text: Text,
  finish_reason: Reason,
  // Gemini's own name for it.
  finishReason: Reason,
  usage: Usage,
});

/** A chunk of a stream (`delta`) or a plain answer (`message`). */
const Part = z.object({
  model: Text,
  choices: listOf(Choice).nullish().catch(undefined),
  usage: Usage,
  x_groq: z.object({ usage: Usage }).nullish().catch(undefined),
});
type Part = z.infer<typeof Part>;

/** Fields that are read; all others are kept for the server. */
const READ = new Set(['role', 'content', 'refusal', 'tool_calls', 'function_call', 'audio', 'annotations', 'name']);
const READ_OF_CALL = new Set(['index', 'id', 'type', 'function', 'name', 'arguments']);

interface PartialCall {
  readonly index: number;
  id: string;
  name: string;
  arguments: string;
  extras: Record<string, Json>;
}

export interface ReplyListener {
  readonly onText: (delta: string) => void;
  readonly onReasoning: (delta: string) => void;
}

export interface ChatResult {
  readonly calls: readonly RawCall[];
  /** Undefined if the server said nothing of an end. */
  readonly finish: Finish | undefined;
  readonly usage: TokenUsage | undefined;
  readonly model: string | undefined;
  readonly extras: (ChatExtras & Readonly<Record<string, Json>>) | undefined;
}

/** Thinking in a text, and the lines behind it. */
const WRITTEN_THINKING = /^\s*<think>[\s\S]*?<\/think>\s*/i;

const FailedGeneration = z.object({ error: z.object({ failed_generation: z.string().min(1) }) });

/**
 * Groq refuses what its own model wrote if it finds no call or JSON in it, and sends it along.
 * @returns that as a chat completion, or undefined if the error is another one
 */
export function failedGeneration(error: unknown): object | undefined {
  const content = FailedGeneration.safeParse(error).data?.error.failed_generation;
  if (content === undefined || /^tool use failed/i.test(content)) return undefined;
  return { choices: [{ message: { content }, finish_reason: 'stop' }] };
}

/** Collects the parts of one reply. */
export class ChatReply {
  readonly #listener: ReplyListener;
  readonly #calls: PartialCall[] = [];
  readonly #extras: Record<string, Json> = {};
  #text = '';
  #refusal = '';
  #model: string | undefined;
  #finish: string | undefined;
  #usage: TokenUsage | undefined;
  /** Whether the usage came in a part of its own, which is the last one. */
  #isCounted = false;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  /** Whether the server has said why the reply ended. */
  get hasEnded(): boolean {
    return this.#finish !== undefined && this.#finish !== '';
  }

  /** @throws CopilotError `ModelUnavailable` if the part is no chat completion at all */
  add(part: unknown): void {
    const parsed = Part.safeParse(part);
    if (!parsed.success) {
      throw unreadableReply('its reply is not a chat completion', parsed.error);
    }
    const { model, choices, usage, x_groq: groq } = parsed.data;
    if (model) this.#model = model;
    const counted = usageOf(usage ?? choices?.[0]?.usage ?? groq?.usage);
    this.#usage = counted ?? this.#usage;
    this.#isCounted ||= counted !== undefined && !choices?.length;
    // One answer is asked for. A gateway before Claude puts its text into one choice and its calls into another.
    for (const choice of choices ?? []) this.#addChoice(choice);
  }

  #addChoice({ delta, message, text, finish_reason, finishReason }: z.infer<typeof Choice>): void {
    this.#finish = finish_reason || finishReason || this.#finish;
    if (delta && Object.keys(delta).length > 0) this.#addBody(delta);
    else if (message) this.#addBody(message, this.#unsaid(textOf(message.content)));
    else if (text) this.#addBody({ content: text });
  }

  /** Some servers send the whole message again with their last chunk, or with every chunk. */
  #unsaid(text: string): string {
    return text.startsWith(this.#text) ? text.slice(this.#text.length) : text;
  }

  /** @param isDone whether the server said that its stream is complete, or answered in one piece */
  finish(isDone: boolean): ChatResult {
    const calls = this.#calls.filter(({ name }) => name !== '');
    const callExtras = calls.map(({ extras }) => extras);
    const hasExtras = [this.#extras, ...callExtras].some((extras) => Object.keys(extras).length > 0);
    // MiniMax and others think between calls, and go on from what they thought.
    const thinking = calls.length === 0 ? undefined : WRITTEN_THINKING.exec(this.#text)?.[0];
    return {
      calls: calls.map(({ id, name, arguments: text }) => ({ id, name, arguments: text })),
      finish: this.#finishOf(isDone || this.#isCounted || areWhole(calls), calls.length > 0),
      usage: this.#usage,
      model: this.#model,
      extras:
        hasExtras || thinking !== undefined
          ? { message: this.#extras, calls: callExtras, ...(thinking === undefined ? {} : { thinking }) }
          : undefined,
    };
  }

  /** Servers disagree about the reason next to tool calls; what counts is that there are some. */
  #finishOf(hasEnded: boolean, hasCalls: boolean): Finish | undefined {
    const reason = this.#finish?.toLowerCase() ?? '';
    if (reason === '' && !hasEnded) return undefined;
    const finish = unusualEnd(reason);
    if (finish !== undefined) return finish;
    if (this.#refusal !== '') return 'refused';
    return hasCalls ? 'tool_calls' : 'stop';
  }

  #addBody(body: z.infer<typeof ReplyPart>, text = textOf(body.content)): void {
    this.#text += text;
    if (text !== '') this.#listener.onText(text);
    if (body.refusal) {
      this.#refusal += body.refusal;
      this.#listener.onText(body.refusal);
    }
    const shown = [
      ...['reasoning_content', 'reasoning', 'reasoning_text', 'thinking'].map((name) => body[name]),
      thinkingOf(body.content),
      thinkingIn(body['reasoning_details']),
    ];
    const reasoning = shown.find((text) => typeof text === 'string' && text !== '');
    if (typeof reasoning === 'string') this.#listener.onReasoning(reasoning);
    keep(this.#extras, body, READ);
    body.tool_calls?.forEach((call, position) => this.#addCall(call, position));
    // The form before tools, which some servers still write.
    if (body.function_call) this.#addCall({ index: 0, function: body.function_call }, 0);
  }

  #addCall(part: CallPart, position: number): void {
    const { name, arguments: given } = part.function ?? part;
    const text = typeof given === 'string' ? given : given ? JSON.stringify(given) : '';
    const call = this.#findCall({ id: part.id, index: part.index, name, text }, position);
    // A name may come in pieces, or whole again with every piece.
    if (name && name !== call.name) call.name += name;
    // Some servers send all that they have with every piece.
    const isAllAgain = Boolean(name) && call.arguments.startsWith('{') && text.startsWith(call.arguments);
    call.arguments = isAllAgain ? text : call.arguments + text;
    keep(call.extras, part, READ_OF_CALL);
  }

  /** Pieces belong together by index. If a server leaves it out, an id or a name begins the next call. */
  #findCall(piece: CallPiece, position: number): PartialCall {
    const last = this.#calls.at(-1);
    const begins = Boolean(piece.id || piece.name);
    const index =
      piece.index ?? (last === undefined ? position : begins && piece.id !== last.id ? last.index + 1 : last.index);
    const known = this.#calls.findLast((call) => call.index === index);
    // Some servers send every whole call with index 0, with an id or without.
    const another = known && isAnother(known, piece);
    if (known && !another) {
      if (known.id === '' && piece.id) known.id = piece.id;
      return known;
    }
    const call = { index, id: piece.id ?? '', name: '', arguments: '', extras: {} };
    this.#calls.push(call);
    return call;
  }
}

interface CallPiece extends Pick<CallPart, 'id' | 'index' | 'name'> {
  /** Of the arguments. */
  readonly text: string;
}

function isAnother(known: PartialCall, { id, name, text }: CallPiece): boolean {
  const hasOtherId = Boolean(id) && id !== known.id;
  // Ids may come in pieces as well: only a whole call is followed by another.
  if (known.id !== '' && hasOtherId && name) return true;
  // One id for two calls: each comes whole.
  const isWholeAgain = Boolean(name) && !['{}', text].includes(known.arguments) && isWhole(text);
  if (!(known.id !== '' && hasOtherId) && !(name && (!id || hasOtherId)) && !isWholeAgain) return false;
  return isWhole(known.arguments);
}

/** NVIDIA's servers end a stream with calls without a word. */
function areWhole(calls: readonly PartialCall[]): boolean {
  return calls.length > 0 && calls.every((call) => isWhole(call.arguments));
}

/** Most pieces end before this, and long arguments are read only where they may be whole. */
function isWhole(text: string): boolean {
  return /\}\s*$/.test(text.slice(-9)) && parseJson(text) !== undefined;
}

const ThinkingParts = listOf(z.looseObject({ text: Text, summary: Text }));

function thinkingIn(parts: unknown): string {
  return (ThinkingParts.safeParse(parts).data ?? []).map(({ text, summary }) => text ?? summary ?? '').join('');
}

function usageOf(usage: Part['usage']): TokenUsage | undefined {
  if (!usage) return undefined;
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage;
  const { cache_read_input_tokens: read, cache_creation_input_tokens: written } = usage;
  const cachedTokens = prompt?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens ?? read ?? 0;
  const cacheWriteTokens = prompt?.cache_write_tokens ?? written ?? 0;
  // By the names of Anthropic, input is what was neither read from the cache nor written to it.
  const inputTokens = usage.prompt_tokens ?? (usage.input_tokens ?? 0) + (read ?? 0) + (written ?? 0);
  const said = usage.completion_tokens ?? usage.output_tokens ?? 0;
  // No request has no tokens: whoever says so has not counted.
  if (inputTokens + said === 0) return undefined;
  const reasoning = completion?.reasoning_tokens ?? 0;
  const unsaid = unsaidTokens(
    (usage.total_tokens ?? 0) - inputTokens - said,
    reasoning,
    cachedTokens + cacheWriteTokens,
  );
  return {
    inputTokens,
    cachedTokens,
    cacheWriteTokens,
    outputTokens: said + unsaid,
    reasoningTokens: Math.max(reasoning, unsaid),
    isEstimate: false,
  };
}

/** Reasoning that xAI and Gemini count in the total only. */
export function unsaidTokens(rest: number, reasoning: number, cached: number): number {
  const isReasoning = reasoning > 0 ? rest === reasoning : cached === 0;
  return rest > 0 && isReasoning ? rest : 0;
}

function textOf(content: z.infer<typeof Content>): string {
  if (typeof content === 'string') return content;
  return content?.map((part) => part.text ?? '').join('') ?? '';
}

/** Magistral's thinking is a part of its content. */
function thinkingOf(content: z.infer<typeof Content>): string | undefined {
  if (!Array.isArray(content)) return undefined;
  return content
    .map(({ thinking }) => (typeof thinking === 'string' ? thinking : textOf(Content.safeParse(thinking).data)))
    .join('');
}
