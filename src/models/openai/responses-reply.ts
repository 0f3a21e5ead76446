/** Puts a reply together from the events of the Responses API, or from one plain response. */
import { z } from 'zod';
import type { CopilotError } from '../../contracts/errors.ts';
import { type Json, parseJson } from '../../contracts/json.ts';
import { classifyApiError, unreadableReply } from '../errors.ts';
import type { Finish, TokenUsage } from '../model.ts';
import type { RawCall } from '../reading/calls.ts';
import { Count, type ReplyListener, unsaidTokens } from './chat-reply.ts';
import { packItems, textOfItems } from './response-items.ts';

type Item = { readonly [key: string]: Json };

/** Servers that copy the API leave fields out, or put something else there. */
const Text = z.string().nullish().catch(undefined);

const Response = z.looseObject({
  model: Text,
  status: Text,
  error: z.unknown().optional(),
  incomplete_details: z.object({ reason: Text }).nullish().catch(undefined),
  output: z.array(z.record(z.string(), z.unknown())).nullish(),
  usage: z
    .object({
      input_tokens: Count,
      output_tokens: Count,
      total_tokens: Count,
      input_tokens_details: z.object({ cached_tokens: Count, cache_write_tokens: Count }).nullish().catch(undefined),
      output_tokens_details: z.object({ reasoning_tokens: Count }).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
});
type Response = z.infer<typeof Response>;

const Event = z.looseObject({
  type: Text,
  delta: Text,
  arguments: Text,
  output_index: Count,
  item: z.record(z.string(), z.unknown()).nullish(),
  response: Response.nullish(),
});

export interface ResponsesResult {
  readonly calls: readonly RawCall[];
  /** Undefined if the stream ended before the response did. */
  readonly finish: Finish | undefined;
  readonly usage: TokenUsage | undefined;
  readonly model: string | undefined;
  readonly items: readonly Item[] | undefined;
}

export class ResponsesReply {
  readonly #listener: ReplyListener;
  readonly #model: string;
  /** By their place in the output, as `#begun`. */
  readonly #items = new Map<number, Item>();
  readonly #begun = new Map<number, Item>();
  #said = '';
  #response: Response | undefined;

  constructor(listener: ReplyListener, model: string) {
    this.#listener = listener;
    this.#model = model;
  }

  get hasEnded(): boolean {
    return this.#response !== undefined;
  }

  /** Takes an event of a stream. @throws CopilotError for an event that tells an error, or is no object */
  add(part: unknown, headers: Headers): void {
    const parsed = Event.safeParse(part);
    if (!parsed.success) throw notAResponse(parsed.error);
    const { type, delta, item, output_index: index, response } = parsed.data;
    const at = index ?? this.#items.size;
    switch (type ?? '') {
      case 'response.output_text.delta':
      case 'response.refusal.delta':
        this.#say(delta ?? '');
        break;
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        if (delta) this.#listener.onReasoning(delta);
        break;
      case 'response.reasoning_summary_part.added':
        this.#listener.onReasoning('\n\n');
        break;
      case 'response.output_item.added':
        if (item) this.#begun.set(at, item as Item);
        break;
      // Some servers do not say that an item, or even its arguments, are done.
      case 'response.function_call_arguments.delta': {
        const begun = this.#begun.get(at);
        this.#begun.set(at, { ...begun, arguments: textOf(begun?.['arguments']) + (delta ?? '') });
        break;
      }
      case 'response.function_call_arguments.done':
        this.#items.set(at, { ...this.#begun.get(at), arguments: parsed.data.arguments ?? '' });
        break;
      case 'response.output_item.done':
        if (item) this.#items.set(at, item as Item);
        break;
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
      case 'response.done':
        if (response) this.#end(response, headers);
        this.#sayRest();
        break;
      case 'error':
        throw classifyApiError({ status: undefined, headers, body: part }, this.#model);
    }
  }

  /** Takes a whole response. */
  addWhole(body: unknown, headers: Headers): void {
    const parsed = Response.safeParse(body);
    if (!parsed.success || !parsed.data.output) throw notAResponse(parsed.error);
    this.#end(parsed.data, headers);
    for (const item of this.#ordered()) {
      const reasoning = reasoningOf(item);
      if (reasoning !== '') this.#listener.onReasoning(`\n\n${reasoning}`);
    }
    this.#sayRest();
  }

  finish(): ResponsesResult {
    const items = this.#ordered();
    const calls = items
      .filter(({ type }) => type === 'function_call')
      .map((item) => ({
        id: textOf(item['call_id']) || textOf(item['id']),
        name: textOf(item['name']),
        arguments: typeof item['arguments'] === 'string' ? item['arguments'] : JSON.stringify(item['arguments'] ?? {}),
      }));
    return {
      calls,
      finish: this.#response && finishOf(this.#response, items),
      usage: this.#response?.usage ? usageOf(this.#response.usage) : undefined,
      model: this.#response?.model ?? undefined,
      items: packItems(items),
    };
  }

  #say(text: string): void {
    if (text === '') return;
    this.#said += text;
    this.#listener.onText(text);
  }

  #end(response: Response, headers: Headers): void {
    if (response.status === 'failed' || (response.error !== undefined && response.error !== null)) {
      throw classifyApiError({ status: undefined, headers, body: { error: response.error } }, this.#model);
    }
    this.#response = response;
    // Some servers send no event for an item.
    const output = response.output ?? [];
    if (output.length > this.#items.size) output.forEach((item, index) => this.#items.set(index, item as Item));
    for (const [at, item] of this.#begun) {
      if (this.#items.has(at) || item['type'] !== 'function_call' || output.length > 0) continue;
      if (parseJson(textOf(item['arguments'])) !== undefined) this.#items.set(at, item);
    }
  }

  /** Some servers send no text in pieces. */
  #sayRest(): void {
    const whole = textOfItems(this.#ordered());
    if (whole.startsWith(this.#said)) this.#say(whole.slice(this.#said.length));
  }

  #ordered(): Item[] {
    return [...this.#items].sort(([a], [b]) => a - b).map(([, item]) => item);
  }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** What a reasoning item shows: its summary, or with an open model the reasoning itself. */
function reasoningOf({ type, summary, content }: Item): string {
  if (type !== 'reasoning') return '';
  const parts = [summary, content].find((list) => Array.isArray(list) && list.length > 0) as Item[] | undefined;
  return (parts ?? []).map((part) => textOf(part['text'])).join('\n\n');
}

function notAResponse(cause: unknown): CopilotError {
  return unreadableReply('its reply is not a response of the Responses API', cause);
}

function finishOf({ status, incomplete_details: incomplete }: Response, items: readonly Item[]): Finish {
  const isEmpty = items.length === 0 && (status === 'queued' || status === 'in_progress');
  if (status === 'cancelled' || isEmpty) return 'failed';
  if (incomplete?.reason === 'content_filter') return 'filtered';
  if (incomplete?.reason || status === 'incomplete') return 'length';
  const isRefused = items.some(({ content }) => {
    return Array.isArray(content) && (content as Item[]).some(({ type }) => type === 'refusal');
  });
  if (isRefused) return 'refused';
  return items.some(({ type }) => type === 'function_call') ? 'tool_calls' : 'stop';
}

function usageOf(usage: NonNullable<Response['usage']>): TokenUsage {
  const inputTokens = usage.input_tokens ?? 0;
  const said = usage.output_tokens ?? 0;
  const cachedTokens = usage.input_tokens_details?.cached_tokens ?? 0;
  const cacheWriteTokens = usage.input_tokens_details?.cache_write_tokens ?? 0;
  const reasoning = usage.output_tokens_details?.reasoning_tokens ?? 0;
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
