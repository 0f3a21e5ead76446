/** Estimates tokens for servers that do not count them. */
import { estimateTokenCount } from 'tokenx';
import { IMAGE_TOKENS } from '../contracts/limits.ts';
import { messagesWithImages } from './images.ts';
import type { ModelRequest, TokenUsage } from './model.ts';

/** Messages, images, tools and schemas all count as input. */
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
  const images = messagesWithImages(request).reduce((sum, message) => sum + (message.images ?? []).length, 0);
  return {
    inputTokens: estimateTokenCount(asked.join('\n')) + images * IMAGE_TOKENS,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: estimateTokenCount(written),
    reasoningTokens: 0,
    isEstimate: true,
  };
}
