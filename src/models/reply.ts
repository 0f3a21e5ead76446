/** Puts a reply together: from the chunks of a stream, or from one plain JSON answer. Tolerant of what servers leave out. */
import { z } from 'zod';
import { CopilotError } from '../contracts/errors.ts';
import type { ToolCall } from '../contracts/transcript.ts';
import { parseJson } from '../contracts/json.ts';

export interface ModelReply {
  readonly text: string;
  readonly toolCalls: ToolCall[];
  readonly finish: 'stop' | 'tool_calls' | 'length' | 'content_filter';
  /** Tokens; estimated at 4 characters each where the server does not count. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number };
  /** Name of the model that really answered, as the server tells it. */
  readonly model: string;
}

const CallPart = z.object({
  index: z.number().int().nullish(),
  id: z.string().nullish(),
  function: z
    .object({
      name: z.string().nullish(),
      // Some servers send the arguments parsed.
      arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
    })
    .nullish(),
});
type CallPart = z.infer<typeof CallPart>;

const Content = z.union([z.string(), z.array(z.object({ text: z.string().nullish() }))]).nullish();

const ReplyPart = z.object({
  content: Content,
  refusal: z.string().nullish(),
  tool_calls: z.array(CallPart).nullish(),
});

/** A chunk of a stream (`delta`) or a plain answer (`message`). */
const Part = z.object({
  model: z.string().nullish(),
  choices: z
    .array(z.object({ delta: ReplyPart.nullish(), message: ReplyPart.nullish(), finish_reason: z.string().nullish() }))
    .nullish(),
  usage: z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish(),
});

interface PartialCall {
  readonly index: number;
  id: string;
  name: string;
  arguments: string;
}

export interface ReplyOptions {
  /** The model that was asked for. */
  readonly model: string;
  /** Length of the request, to estimate its tokens where the server does not count them. */
  readonly requestCharacters: number;
  /** Begins the ids that are made up where a server sends none: unique in the conversation, the same in every attempt. */
  readonly callPrefix: string;
  readonly onText: ((delta: string) => void) | undefined;
}

/** Collects the parts of one reply. */
export class ReplyBuilder {
  readonly #options: ReplyOptions;
  readonly #calls: PartialCall[] = [];
  #text = '';
  #model: string;
  #finish: string | undefined;
  #usage: ModelReply['usage'] | undefined;

  constructor(options: ReplyOptions) {
    this.#options = options;
    this.#model = options.model;
  }

  /** @throws CopilotError `ModelUnavailable` where the part is no chat completion at all */
  add(part: unknown): void {
    const parsed = Part.safeParse(part);
    if (!parsed.success) {
      throw new CopilotError(
        'ModelUnavailable',
        { problem: 'its reply is not a chat completion' },
        { cause: parsed.error },
      );
    }
    const { model, choices, usage } = parsed.data;
    if (model) this.#model = model;
    if (usage) this.#usage = { inputTokens: usage.prompt_tokens ?? 0, outputTokens: usage.completion_tokens ?? 0 };
    const choice = choices?.[0];
    if (choice?.finish_reason) this.#finish = choice.finish_reason;
    const body = choice?.delta ?? choice?.message;
    this.#addText(textOf(body?.content) + (body?.refusal ?? ''));
    body?.tool_calls?.forEach((call, position) => {
      this.#addCall(call, position);
    });
  }

  /** @throws CopilotError `ModelUnavailable` where the reply ended before the model had finished */
  finish(): ModelReply {
    if (this.#finish === undefined) {
      throw new CopilotError('ModelUnavailable', { problem: 'the reply was cut off in the middle' });
    }
    const toolCalls = this.#calls.map(({ id, name, arguments: text }) => ({ id, name, arguments: text || '{}' }));
    const written =
      this.#text.length + toolCalls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
    return {
      text: this.#text,
      toolCalls,
      finish: finishOf(this.#finish, toolCalls.length > 0),
      usage: this.#usage ?? { inputTokens: tokens(this.#options.requestCharacters), outputTokens: tokens(written) },
      model: this.#model,
    };
  }

  #addText(delta: string): void {
    if (delta === '') return;
    this.#text += delta;
    this.#options.onText?.(delta);
  }

  #addCall(part: CallPart, position: number): void {
    const call = this.#findCall(part, position);
    if (part.function?.name && call.name === '') call.name = part.function.name;
    const given = part.function?.arguments;
    call.arguments += typeof given === 'string' ? given : given ? JSON.stringify(given) : '';
  }

  /** Pieces belong together by index; where a server omits it, an id or a name begins the next call. */
  #findCall(part: CallPart, position: number): PartialCall {
    const last = this.#calls.at(-1);
    const begins = Boolean(part.id || part.function?.name);
    const index =
      part.index ?? (last === undefined ? position : begins && part.id !== last.id ? last.index + 1 : last.index);
    const known = this.#calls.findLast((call) => call.index === index);
    // Some servers send every whole call with index 0, with an id or without.
    const another =
      known && (part.id ? part.id !== known.id : part.function?.name && parseJson(known.arguments) !== undefined);
    if (known && !another) return known;
    const call = { index, id: part.id || `${this.#options.callPrefix}_${this.#calls.length}`, name: '', arguments: '' };
    this.#calls.push(call);
    return call;
  }
}

function textOf(content: z.infer<typeof Content>): string {
  if (typeof content === 'string') return content;
  return content?.map((part) => part.text ?? '').join('') ?? '';
}

function finishOf(reason: string, hasCalls: boolean): ModelReply['finish'] {
  if (reason === 'length' || reason === 'content_filter') return reason;
  // Servers disagree about the reason next to tool calls, and what counts is that there are some.
  return hasCalls ? 'tool_calls' : 'stop';
}

function tokens(characters: number): number {
  return Math.ceil(characters / 4);
}
