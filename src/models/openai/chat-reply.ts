/** Puts a reply together from chat completions: the chunks of a stream, or one plain answer. Tolerant of what servers leave out. */
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { Json, parseJson } from '../../contracts/json.ts';
import type { Finish, TokenUsage } from '../model.ts';
import type { RawCall } from '../reading/calls.ts';
import type { ChatExtras } from './chat-request.ts';

const Count = z.number().nullish().catch(undefined);

const CallPart = z.looseObject({
  index: z.number().int().nullish(),
  id: z.union([z.string(), z.number().transform(String)]).nullish(),
  function: z
    .object({
      name: z.string().nullish(),
      // Some servers send the arguments parsed.
      arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
    })
    .nullish(),
});
type CallPart = z.infer<typeof CallPart>;

const Content = z.union([z.string(), z.array(z.looseObject({ text: z.string().nullish() }))]).nullish();

const ReplyPart = z.looseObject({
  content: Content,
  refusal: z.string().nullish(),
  tool_calls: z.union([z.array(CallPart), CallPart.transform((call) => [call])]).nullish(),
  function_call: z.object({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});

/** A chunk of a stream (`delta`) or a plain answer (`message`). */
const Part = z.object({
  model: z.string().nullish(),
  choices: z
    .array(
      z.object({
        delta: ReplyPart.nullish(),
        message: ReplyPart.nullish(),
        finish_reason: z.string().nullish(),
        // LM Studio and some proxies say an error here.
        error: z.unknown().optional(),
      }),
    )
    .nullish(),
  usage: z
    .object({
      prompt_tokens: Count,
      completion_tokens: Count,
      prompt_tokens_details: z.object({ cached_tokens: Count, cache_write_tokens: Count }).nullish(),
      completion_tokens_details: z.object({ reasoning_tokens: Count }).nullish(),
      // DeepSeek's name.
      prompt_cache_hit_tokens: Count,
    })
    .nullish(),
});
type Part = z.infer<typeof Part>;

/** Fields that are read; all others are kept for the server. */
const READ = new Set(['role', 'content', 'refusal', 'tool_calls', 'function_call', 'audio', 'annotations', 'name']);
const READ_OF_CALL = new Set(['index', 'id', 'type', 'function']);

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
  readonly text: string;
  readonly calls: readonly RawCall[];
  /** Undefined if the server said nothing of an end. */
  readonly finish: Finish | undefined;
  readonly usage: TokenUsage | undefined;
  readonly model: string | undefined;
  readonly extras: (ChatExtras & Readonly<Record<string, Json>>) | undefined;
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
      const problem = 'its reply is not a chat completion';
      throw new CopilotError('ModelUnavailable', { problem }, { cause: parsed.error });
    }
    const { model, choices, usage } = parsed.data;
    if (model) this.#model = model;
    if (usage) this.#usage = usageOf(usage);
    const choice = choices?.[0];
    if (typeof choice?.finish_reason === 'string') this.#finish = choice.finish_reason;
    const body = choice?.delta ?? choice?.message;
    if (body) this.#addBody(body);
  }

  /** @param isDone whether the server said that its stream is complete, or answered in one piece */
  finish(isDone: boolean): ChatResult {
    const calls = this.#calls.filter(({ name }) => name !== '');
    const callExtras = calls.map(({ extras }) => extras);
    const hasExtras = [this.#extras, ...callExtras].some((extras) => Object.keys(extras).length > 0);
    return {
      text: this.#text + this.#refusal,
      calls: calls.map(({ id, name, arguments: text }) => ({ id, name, arguments: text })),
      finish: this.#finishOf(isDone, calls.length > 0),
      usage: this.#usage,
      model: this.#model,
      extras: hasExtras ? { message: this.#extras, calls: callExtras } : undefined,
    };
  }

  /** Servers disagree about the reason next to tool calls; what counts is that there are some. */
  #finishOf(isDone: boolean, hasCalls: boolean): Finish | undefined {
    switch (this.#finish?.toLowerCase()) {
      case undefined:
      case '':
        if (!isDone) return undefined;
        break;
      case 'length':
      case 'max_tokens':
      case 'model_length':
        return 'length';
      case 'content_filter':
      case 'safety':
      case 'recitation':
      case 'sensitive':
      case 'prohibited_content':
        return 'filtered';
      case 'error':
      case 'network_error':
      case 'insufficient_system_resource':
        return 'failed';
      case 'refusal':
        return 'refused';
    }
    if (this.#refusal !== '') return 'refused';
    return hasCalls ? 'tool_calls' : 'stop';
  }

  #addBody(body: z.infer<typeof ReplyPart>): void {
    const text = textOf(body.content);
    this.#text += text;
    if (text !== '') this.#listener.onText(text);
    if (body.refusal) {
      this.#refusal += body.refusal;
      this.#listener.onText(body.refusal);
    }
    const reasoning = body['reasoning_content'] ?? body['reasoning'];
    if (typeof reasoning === 'string' && reasoning !== '') this.#listener.onReasoning(reasoning);
    keep(this.#extras, body, READ);
    body.tool_calls?.forEach((call, position) => this.#addCall(call, position));
    // The form before tools, which some servers still write.
    if (body.function_call) this.#addCall({ index: 0, function: body.function_call }, 0);
  }

  #addCall(part: CallPart, position: number): void {
    const call = this.#findCall(part, position);
    const name = part.function?.name ?? '';
    // A name may come in pieces, or whole again with every piece.
    if (name !== '' && name !== call.name) call.name += name;
    const given = part.function?.arguments;
    call.arguments += typeof given === 'string' ? given : given ? JSON.stringify(given) : '';
    keep(call.extras, part, READ_OF_CALL);
  }

  /** Pieces belong together by index. If a server leaves it out, an id or a name begins the next call. */
  #findCall(part: CallPart, position: number): PartialCall {
    const last = this.#calls.at(-1);
    const begins = Boolean(part.id || part.function?.name);
    const index =
      part.index ?? (last === undefined ? position : begins && part.id !== last.id ? last.index + 1 : last.index);
    const known = this.#calls.findLast((call) => call.index === index);
    // Some servers send every whole call with index 0, with an id or without.
    const another = known && isAnother(known, part);
    if (known && !another) {
      if (known.id === '' && part.id) known.id = part.id;
      return known;
    }
    const call = { index, id: part.id ?? '', name: '', arguments: '', extras: {} };
    this.#calls.push(call);
    return call;
  }
}

function isAnother(known: PartialCall, part: CallPart): boolean {
  const isWhole = parseJson(known.arguments) !== undefined;
  // Ids may come in pieces as well: only a whole call is followed by another.
  if (part.id && known.id !== '' && part.id !== known.id) return isWhole || Boolean(part.function?.name);
  return Boolean(part.function?.name) && isWhole && (!part.id || part.id !== known.id);
}

function usageOf(usage: NonNullable<Part['usage']>): TokenUsage {
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage;
  return {
    inputTokens: usage.prompt_tokens ?? 0,
    cachedTokens: prompt?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? 0,
    cacheWriteTokens: prompt?.cache_write_tokens ?? 0,
    outputTokens: usage.completion_tokens ?? 0,
    reasoningTokens: completion?.reasoning_tokens ?? 0,
    isEstimate: false,
  };
}

function textOf(content: z.infer<typeof Content>): string {
  if (typeof content === 'string') return content;
  return content?.map((part) => part.text ?? '').join('') ?? '';
}

/** Adds the fields of a piece that nobody reads: texts are continued, lists grow, objects are filled in. */
function keep(into: Record<string, Json>, piece: Readonly<Record<string, unknown>>, read: ReadonlySet<string>): void {
  for (const [name, value] of Object.entries(piece)) {
    const parsed = Json.safeParse(value);
    if (read.has(name) || value === null || value === '' || !parsed.success) continue;
    into[name] = merged(into[name], parsed.data);
  }
}

/** Names of texts that tell what a thing is, and do not grow. */
const FIXED = new Set(['id', 'type', 'format', 'signature', 'index']);

function merged(before: Json | undefined, more: Json, name = ''): Json {
  if (before === undefined) return more;
  if (typeof before === 'string' && typeof more === 'string') return FIXED.has(name) ? more || before : before + more;
  if (Array.isArray(before) && Array.isArray(more)) return mergedLists(before as Json[], more as Json[]);
  if (isRecord(before) && isRecord(more)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(more)])];
    return Object.fromEntries(
      names.map((key) => {
        const next = more[key];
        return [key, next === undefined || next === null ? (before[key] ?? null) : merged(before[key], next, key)];
      }),
    );
  }
  return more;
}

/** Pieces of one element have its index. */
function mergedLists(before: readonly Json[], more: readonly Json[]): Json[] {
  const list = [...before];
  for (const item of more) {
    const at =
      isRecord(item) && typeof item['index'] === 'number'
        ? list.findIndex(
            (known) => isRecord(known) && known['index'] === item['index'] && known['type'] === item['type'],
          )
        : -1;
    if (at < 0) list.push(item);
    else list[at] = merged(list[at], item);
  }
  return list;
}

function isRecord(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
