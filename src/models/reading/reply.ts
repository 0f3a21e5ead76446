/** What every provider does with a reply alike: it separates thinking, stops repetition, and finds calls written as text. */
import type { Json } from '../../contracts/json.ts';
import { unreadableReply } from '../errors.ts';
import { estimateUsage } from '../estimate.ts';
import type { Finish, ModelReply, ModelRequest, TokenUsage } from '../model.ts';
import { wellFormed } from '../well-formed.ts';
import { readCalls, type RawCall } from './calls.ts';
import { RepetitionGuard } from './repetition.ts';
import { filterThinking, type ThinkingFilter } from './thinking.ts';
import { findWrittenCalls, type WrittenCalls } from './written-calls.ts';

/** A reply as the API gave it, without its text: the reader has heard that. */
export interface RawReply {
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
  readonly #reasoningGuard = new RepetitionGuard(false);
  readonly #thinking: ThinkingFilter;
  #reasoning = '';
  #isRepeating = false;

  constructor(request: ModelRequest) {
    this.#request = request;
    // A person may want a long list of equal lines. No answer in a form is one.
    this.#guard = request.output === undefined ? undefined : new RepetitionGuard(true);
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
    this.#isRepeating ||= this.#reasoningGuard.add(added);
    this.#request.onReasoning?.(added);
  };

  /** @throws CopilotError `ModelUnavailable` if the reply did not end */
  finish(provider: string, { calls, items, ...raw }: RawReply): ModelReply {
    if (raw.finish === undefined && !this.#isRepeating) {
      throw unreadableReply('the reply was cut off in the middle');
    }
    const { tools = [], messages } = this.#request;
    const finish = this.#isRepeating ? 'length' : (raw.finish ?? 'stop');
    const answer = this.#thinking.finish();
    // Whatever ended the reply early may have ended it in a call.
    const isCut = finish !== 'stop' && finish !== 'tool_calls';
    const written = calls.length > 0 ? undefined : this.#writtenCalls(answer, isCut);
    const text = written?.text ?? answer;
    const toolCalls = readCalls(written?.calls ?? calls, {
      tools,
      idPrefix: `call_${messages.length}`,
      isCut,
      usedIds: new Set(messages.flatMap((message) => idsOf(message))),
    });
    const said = [this.#reasoning, answer, ...calls.map((call) => call.name + call.arguments)].join('');
    return {
      ...wellFormed({ text, reasoning: this.#reasoning, toolCalls }),
      finish: toolCalls.length > 0 && finish === 'stop' ? 'tool_calls' : finish,
      usage: this.#count(raw.usage, said),
      model: raw.model,
      // Items belong to the text and the calls that the API gave.
      ...(items === undefined || written ? {} : { providerData: { provider, items } }),
      ...(this.#isRepeating ? { repeats: true } : {}),
      ...(written ? { wroteCalls: true } : {}),
    };
  }

  /** Some models end their thinking with a call and say nothing behind it. */
  #writtenCalls(answer: string, isCut: boolean): WrittenCalls | undefined {
    const { tools = [] } = this.#request;
    const found = findWrittenCalls(answer, tools, isCut);
    if (found || answer.trim() !== '' || !ENDS_AS_CALL.test(this.#reasoning.slice(-99))) return found;
    const thought = findWrittenCalls(this.#reasoning, tools, isCut);
    return thought && { ...thought, text: '' };
  }

  /** What the server counted, as far as it can be right. No request, and no reply, has no tokens. */
  #count(given: TokenUsage | undefined, said: string): TokenUsage {
    if (given && given.inputTokens > 0 && (given.outputTokens > 0 || said === '')) {
      const { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens } = given;
      return {
        ...given,
        cachedTokens: Math.min(cachedTokens, inputTokens),
        cacheWriteTokens: Math.min(cacheWriteTokens, inputTokens),
        reasoningTokens: Math.min(reasoningTokens, outputTokens),
      };
    }
    const estimate = estimateUsage(this.#request, said);
    return {
      ...estimate,
      inputTokens: given?.inputTokens || estimate.inputTokens,
      outputTokens: given?.outputTokens || estimate.outputTokens,
    };
  }
}

/** Whether a text ends as a call does in one of the notations. */
const ENDS_AS_CALL = /[>\])}`]\s*$/;

function idsOf(message: ModelRequest['messages'][number]): string[] {
  return message.role === 'assistant' ? (message.toolCalls ?? []).map(({ id }) => id) : [];
}
