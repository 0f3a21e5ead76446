/** Puts a reply together from chat completions: the chunks of a stream, or one plain answer. Tolerant of what servers leave out. */
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { Json, parseJson } from '../../contracts/json.ts';
import type { Finish, TokenUsage } from '../model.ts';
import type { RawCall } from '../reading/calls.ts';
import type { ChatExtras } from './chat-request.ts';

const Count = z
  .union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
  .nullish()
  .catch(undefined);

/** Text, or nothing in place of whatever else a server puts there. */
const Text = z.string().nullish().catch(undefined);

const CallPart = z.looseObject({
  index: z
    .preprocess((value) => (typeof value === 'string' && value !== '' ? Number(value) : value), z.int().nullish())
    .catch(undefined),
  id: z
    .union([z.string(), z.number().transform(String)])
    .nullish()
    .catch(undefined),
  function: z
    .object({
      name: Text,
      // Some servers send the arguments parsed.
      arguments: z
        .union([z.string(), z.record(z.string(), z.unknown())])
        .nullish()
        .catch(undefined),
    })
    .nullish(),
});
type CallPart = z.infer<typeof CallPart>;

const ContentPart = z.union([
  z.string().transform((text) => ({ text, thinking: undefined })),
  z.looseObject({ text: Text }),
]);
const Content = z.union([z.string(), z.array(ContentPart), ContentPart.transform((part) => [part])]).nullish();

const ReplyPart = z.looseObject({
  content: Content.catch(undefined),
  refusal: Text,
  tool_calls: z.union([z.array(CallPart), CallPart.transform((call) => [call])]).nullish(),
  function_call: z
    .looseObject({ name: Text, arguments: CallPart.shape.function.unwrap().unwrap().shape.arguments })
    .nullish(),
});

const Usage = z
  .object({
    prompt_tokens: Count,
    completion_tokens: Count,
    // The names of Anthropic.
    input_tokens: Count,
    output_tokens: Count,
    prompt_tokens_details: z.object({ cached_tokens: Count, cache_write_tokens: Count }).nullish().catch(undefined),
    completion_tokens_details: z.object({ reasoning_tokens: Count }).nullish().catch(undefined),
    // The names of DeepSeek and Moonshot.
    prompt_cache_hit_tokens: Count,
    cached_tokens: Count,
  })
  .nullish()
  .catch(undefined);

/** A chunk of a stream (`delta`) or a plain answer (`message`). */
const Part = z.object({
  model: Text,
  choices: z
    .array(
      z.object({
        delta: ReplyPart.nullish(),
        message: ReplyPart.nullish(),
        // The form of completions without chat.
        text: Text,
        finish_reason: z
          .union([z.string(), z.object({ type: z.string() }).transform(({ type }) => type)])
          .nullish()
          .catch(undefined),
        usage: Usage,
      }),
    )
    .nullish(),
  usage: Usage,
  x_groq: z.object({ usage: Usage }).nullish().catch(undefined),
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

/** Gemini's endpoint puts its own reason behind a general one. */
const ENDS: readonly (readonly [finish: Finish, words: RegExp])[] = [
  ['length', /^(max_)?(output_)?(length|tokens)$|model_length|context_window|max_output/],
  ['filtered', /content_filter|safety|recitation|sensitive|prohibited|blocklist|\bspii\b|guardrail/],
  ['refused', /^refusal$/],
  ['failed', /error|malformed|insufficient_system_resource|^(abort(ed)?|cancel(l?ed)?)$/],
];

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
    const { model, choices, usage, x_groq: groq } = parsed.data;
    const choice = choices?.[0];
    if (model) this.#model = model;
    this.#usage = usageOf(usage ?? choice?.usage ?? groq?.usage) ?? this.#usage;
    if (choice?.finish_reason) this.#finish = choice.finish_reason;
    const body = choice?.delta ?? choice?.message ?? (choice?.text ? { content: choice.text } : undefined);
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
    const reason = this.#finish?.toLowerCase() ?? '';
    if (reason === '' && !isDone) return undefined;
    const finish = ENDS.find(([, words]) => words.test(reason))?.[0];
    if (finish !== undefined) return finish;
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
    const reasoning = body['reasoning_content'] ?? body['reasoning'] ?? thinkingOf(body.content);
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
  const hasName = Boolean(part.function?.name);
  const hasOtherId = Boolean(part.id) && part.id !== known.id;
  // Ids may come in pieces as well: only a whole call is followed by another.
  if (known.id !== '' && hasOtherId && hasName) return true;
  if (!(known.id !== '' && hasOtherId) && !(hasName && (!part.id || hasOtherId))) return false;
  // Most pieces end before this, and long arguments are read only where they may be whole.
  return /\}\s*$/.test(known.arguments.slice(-9)) && parseJson(known.arguments) !== undefined;
}

function usageOf(usage: Part['usage']): TokenUsage | undefined {
  const inputTokens = usage?.prompt_tokens ?? usage?.input_tokens ?? 0;
  const outputTokens = usage?.completion_tokens ?? usage?.output_tokens ?? 0;
  // No request has no tokens: whoever says so has not counted.
  if (!usage || inputTokens + outputTokens === 0) return undefined;
  const { prompt_tokens_details: prompt, completion_tokens_details: completion } = usage;
  return {
    inputTokens,
    cachedTokens: prompt?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.cached_tokens ?? 0,
    cacheWriteTokens: prompt?.cache_write_tokens ?? 0,
    outputTokens,
    reasoningTokens: completion?.reasoning_tokens ?? 0,
    isEstimate: false,
  };
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
