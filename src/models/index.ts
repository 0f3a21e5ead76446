/** `durable-copilot/models`: providers of models, and what one is. */
export { aiSdk, type AiSdkModel, type AiSdkOptions, type AiSdkProvider } from './ai-sdk/provider.ts';
export type {
  Finish,
  Model,
  ModelImage,
  ModelLesson,
  ModelMessage,
  ModelReply,
  ModelRequest,
  ModelToolCall,
  OutputSchema,
  Provider,
  ProviderData,
  ReasoningEffort,
  TokenUsage,
  ToolSchema,
} from './model.ts';
export { openAi, type OpenAiOptions } from './openai/provider.ts';
