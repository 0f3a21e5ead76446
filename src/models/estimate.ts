/** Estimates tokens for servers that do not count them. */
import type { ModelRequest, TokenUsage } from './model.ts';

/** Bytes of a token in English text and JSON, roughly. */
const BYTES_PER_TOKEN = 4;

/** Messages, tools and schemas all count as input. */
export function estimateUsage(request: ModelRequest, written: string): TokenUsage {
  const { system, messages, tools = [], output } = request;
  const asked = [
    system,
    ...messages.map((message) => {
      const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
      return message.text + calls.map((call) => call.name + call.arguments).join('');
    }),
    ...tools.map((tool) => JSON.stringify(tool)),
    output === undefined ? '' : JSON.stringify(output.schema),
  ];
  return {
    inputTokens: countTokens(asked.join('')),
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: countTokens(written),
    reasoningTokens: 0,
    isEstimate: true,
  };
}

function countTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}
