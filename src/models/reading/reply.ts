/** What every provider does with a reply alike: it separates thinking, stops repetition, and finds calls written as text. */
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import { estimateUsage } from '../estimate.ts';
import type { Finish, ModelReply, ModelRequest, TokenUsage } from '../model.ts';
import { wellFormed } from '../well-formed.ts';
import { readCalls, type RawCall } from './calls.ts';
import { RepetitionGuard } from './repetition.ts';
import { filterThinking, type ThinkingFilter } from './thinking.ts';
import { findWrittenCalls } from './written-calls.ts';

/** A reply as the API gave it. */
export interface RawReply {
  /** All text, with whatever the model wrote into it. */
  readonly text: string;
  /** With the names of the tools as they were offered. */
  readonly calls: readonly RawCall[];
  /** Undefined if the stream ended before the reply did. */
  readonly finish: Finish | undefined;
  readonly usage: TokenUsage | undefined;
  readonly model: string;
  /** What the provider needs back. */
  readonly items: readonly Json[] | undefined;
}

export class ReplyReader {
  readonly #request: ModelRequest;
  readonly #guard: RepetitionGuard | undefined;
  readonly #thinking: ThinkingFilter;
  #reasoning = '';
  #isRepeating = false;

  constructor(request: ModelRequest) {
    this.#request = request;
    // A person may want a long list of equal lines. No answer in a form is one.
    this.#guard = request.output === undefined ? undefined : new RepetitionGuard();
    this.#thinking = filterThinking(
      (delta) => request.onText?.(delta),
      (delta) => this.onReasoning(delta),
    );
  }

  /** Whether the rest of the reply is worth nothing. */
  get isRepeating(): boolean {
    return this.#isRepeating;
  }

  readonly onText = (delta: string): void => {
    this.#isRepeating ||= this.#guard?.add(delta) === true;
    this.#thinking.add(delta);
  };

  readonly onReasoning = (delta: string): void => {
    // APIs put blank lines before the first part as they do between parts.
    const added = this.#reasoning === '' ? delta.trimStart() : delta;
    if (added === '') return;
    this.#reasoning += added;
    this.#request.onReasoning?.(added);
  };

  /** @throws CopilotError `ModelUnavailable` if the reply did not end */
  finish(provider: string, { text: whole, calls, items, ...raw }: RawReply): ModelReply {
    if (raw.finish === undefined && !this.#isRepeating) {
      throw new CopilotError('ModelUnavailable', { problem: 'the reply was cut off in the middle' });
    }
    const { tools = [], messages } = this.#request;
    const finish = this.#isRepeating ? 'length' : (raw.finish ?? 'stop');
    const answer = this.#thinking.finish();
    // Whatever ended the reply early may have ended it in a call.
    const isCut = finish !== 'stop' && finish !== 'tool_calls';
    const written = calls.length === 0 ? findWrittenCalls(answer, tools, isCut) : undefined;
    const text = written?.text ?? answer;
    const toolCalls = readCalls(written?.calls ?? calls, {
      tools,
      idPrefix: `call_${messages.length}`,
      isCut,
      usedIds: new Set(messages.flatMap((message) => idsOf(message))),
    });
    const said = whole + calls.map((call) => call.name + call.arguments).join('');
    return {
      ...wellFormed({ text, reasoning: this.#reasoning, toolCalls }),
      finish: toolCalls.length > 0 && finish === 'stop' ? 'tool_calls' : finish,
      usage: raw.usage ?? estimateUsage(this.#request, said),
      model: raw.model,
      // Items belong to the text and the calls that the API gave.
      ...(items === undefined || written ? {} : { providerData: { provider, items } }),
      ...(this.#isRepeating ? { repeats: true } : {}),
      ...(written ? { wroteCalls: true } : {}),
    };
  }
}

function idsOf(message: ModelRequest['messages'][number]): string[] {
  return message.role === 'assistant' ? (message.toolCalls ?? []).map(({ id }) => id) : [];
}
