/** The part of the chat completions API that the `openai` client uses: https://platform.openai.com/docs/api-reference/chat */
import { z } from 'zod';

const TextPart = z.object({ type: z.literal('text'), text: z.string() });
/** Let through; nobody looks at it. */
const ImagePart = z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) });
const Content = z.union([z.string(), z.array(z.discriminatedUnion('type', [TextPart, ImagePart]))]);
const ToolCall = z.object({ id: z.string(), function: z.object({ name: z.string(), arguments: z.string() }) });
const Schema = z.record(z.string(), z.unknown());

const ChatMessage = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer', 'user']), content: Content }),
  z.object({ role: z.literal('assistant'), content: Content.nullish(), tool_calls: z.array(ToolCall).optional() }),
  z.object({ role: z.literal('tool'), tool_call_id: z.string(), content: Content }),
]);
export type ChatMessage = z.infer<typeof ChatMessage>;

/** Body of `POST /v1/chat/completions`. Parameters that change nothing here are let through. */
export const ChatRequest = z.object({
  model: z.string(),
  messages: z.array(ChatMessage).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  tools: z.array(z.object({ function: z.object({ name: z.string(), parameters: Schema.optional() }) })).optional(),
  response_format: z.object({ json_schema: z.object({ name: z.string(), schema: Schema }).optional() }).optional(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

export interface ChatReply {
  readonly text: string;
  readonly calls: readonly { readonly tool: string; readonly args: Readonly<Record<string, unknown>> }[];
  /** Pause before each word of the text, in milliseconds. */
  readonly wordDelayMs: number;
}

export function messageText({ content }: ChatMessage): string {
  return typeof content === 'string'
    ? content
    : (content ?? []).map((part) => (part.type === 'text' ? part.text : '')).join('');
}
