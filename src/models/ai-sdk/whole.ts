/** A reply of the AI SDK in one piece, as the parts of a stream. */
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from '@ai-sdk/provider';

export function partsOf({ content, finishReason, usage, response }: LanguageModelV4GenerateResult) {
  const parts: LanguageModelV4StreamPart[] = content.flatMap((part, index): LanguageModelV4StreamPart[] => {
    const id = String(index);
    switch (part.type) {
      case 'text':
      case 'reasoning': {
        const { type, text, providerMetadata } = part;
        return [
          { type: `${type}-start`, id, ...(providerMetadata === undefined ? {} : { providerMetadata }) },
          { type: `${type}-delta`, id, delta: text },
          { type: `${type}-end`, id },
        ];
      }
      case 'tool-call':
      case 'custom':
        return [part];
      default:
        return [];
    }
  });
  const modelId = response?.modelId;
  const about = modelId === undefined ? [] : [{ type: 'response-metadata' as const, modelId }];
  return [...about, ...parts, { type: 'finish' as const, finishReason, usage }];
}
