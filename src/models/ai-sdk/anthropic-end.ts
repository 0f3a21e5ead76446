/** The end of a reply of Claude as its events tell it, for gateways that leave out the last one, `message_stop`. */
import { z } from 'zod';
import { unusualEnd } from '../reading/ends.ts';
import type { Finish, TokenUsage } from '../model.ts';

const Usage = z.object({
  input_tokens: z.number().nullish(),
  cache_read_input_tokens: z.number().nullish(),
  cache_creation_input_tokens: z.number().nullish(),
  output_tokens: z.number().nullish(),
});
type Usage = z.infer<typeof Usage>;

const Event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message_start'), message: z.object({ usage: Usage }) }),
  z.object({
    type: z.literal('message_delta'),
    delta: z.object({ stop_reason: z.string().nullish() }),
    usage: Usage.nullish(),
  }),
]);

export class AnthropicEnd {
  #reason: string | undefined;
  #usage: Usage = {};

  /** @param event as the server sent it */
  add(event: unknown): void {
    const { data } = Event.safeParse(event);
    if (!data) return;
    const usage = data.type === 'message_start' ? data.message.usage : (data.usage ?? {});
    const told = Object.entries(usage).filter(([, count]) => count !== null && count !== undefined);
    this.#usage = { ...this.#usage, ...Object.fromEntries(told) };
    if (data.type === 'message_delta') this.#reason = data.delta.stop_reason ?? this.#reason;
  }

  /** @returns undefined if the reply has not ended, or if it should have calls and has none */
  finish(hasCalls: boolean): Finish | undefined {
    if (this.#reason === undefined) return undefined;
    if (this.#reason === 'tool_use') return hasCalls ? 'tool_calls' : undefined;
    return unusualEnd(this.#reason) ?? 'stop';
  }

  get usage(): TokenUsage {
    const { input_tokens: input, cache_read_input_tokens: read, output_tokens: output } = this.#usage;
    const { cache_creation_input_tokens: written } = this.#usage;
    return {
      inputTokens: (input ?? 0) + (read ?? 0) + (written ?? 0),
      cachedTokens: read ?? 0,
      cacheWriteTokens: written ?? 0,
      outputTokens: output ?? 0,
      reasoningTokens: 0,
      isEstimate: false,
    };
  }
}
