/** A call of a model as a span: https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md */
import type { Attributes } from '@opentelemetry/api';
import type { Model, ModelMessage, ModelReply, ModelRequest } from '../models/model.ts';
import { traceCall } from './activity-spans.ts';

/** Hosts, and names that people give to their providers, with the convention's name for whom they belong to. */
const PROVIDERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/azure/, 'azure.ai.openai'],
  [/openai/, 'openai'],
  [/anthropic/, 'anthropic'],
  [/bedrock/, 'aws.bedrock'],
  [/vertex/, 'gcp.vertex_ai'],
  [/google|gemini/, 'gcp.gemini'],
  [/mistral/, 'mistral_ai'],
  [/deepseek/, 'deepseek'],
  [/groq/, 'groq'],
  [/cohere/, 'cohere'],
  [/perplexity/, 'perplexity'],
  [/moonshot/, 'moonshot_ai'],
  [/^x\.?ai$|\bx\.ai\b/, 'x_ai'],
];

/** Asks the model within a span, if its activity is traced. */
export async function traceChat(model: Pick<Model, 'id' | 'reply'>, request: ModelRequest): Promise<ModelReply> {
  const start = () => {
    const { provider, name } = splitId(model.id);
    const attributes = { ...identity(provider, name), ...requestAttributes(request) };
    return { name: `chat ${name}`, isClient: true, attributes };
  };
  return await traceCall(start, async (span) => {
    if (!span) return await model.reply(request);
    if (span.withContent) span.set(inputContent(request));
    const began = performance.now();
    let isFirst = true;
    const noteFirst = (): void => {
      if (isFirst) span.set({ 'gen_ai.response.time_to_first_chunk': (performance.now() - began) / 1_000 });
      isFirst = false;
    };
    const { onText, onReasoning } = request;
    const reply = await model.reply({
      ...request,
      ...(onText ? { onText: (delta: string) => (noteFirst(), onText(delta)) } : {}),
      ...(onReasoning ? { onReasoning: (delta: string) => (noteFirst(), onReasoning(delta)) } : {}),
    });
    span.set(replyAttributes(reply));
    if (span.withContent) span.set(outputContent(reply));
    return reply;
  });
}

/** Names of models have slashes, too; those of providers do not. */
function splitId(id: string): { readonly provider: string; readonly name: string } {
  const slash = id.indexOf('/');
  return { provider: id.slice(0, slash), name: id.slice(slash + 1) };
}

function identity(provider: string, model: string): Attributes {
  const known = PROVIDERS.find(([pattern]) => pattern.test(provider.toLowerCase()))?.[1];
  return {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': known ?? provider,
    'gen_ai.request.model': model,
  };
}

function requestAttributes({ temperature, maxOutputTokens, effort, output, onText }: ModelRequest): Attributes {
  return {
    ...(temperature === undefined ? {} : { 'gen_ai.request.temperature': temperature }),
    ...(maxOutputTokens === undefined ? {} : { 'gen_ai.request.max_tokens': maxOutputTokens }),
    ...(effort === undefined ? {} : { 'gen_ai.request.reasoning.level': effort }),
    ...(output === undefined ? {} : { 'gen_ai.output.type': 'json' }),
    ...(onText === undefined ? {} : { 'gen_ai.request.stream': true }),
  };
}

function replyAttributes({ usage, model, finish }: ModelReply): Attributes {
  const { inputTokens, outputTokens, cachedTokens, cacheWriteTokens, reasoningTokens, isEstimate } = usage;
  return {
    'gen_ai.response.model': model,
    'gen_ai.response.finish_reasons': [finish],
    'gen_ai.usage.input_tokens': inputTokens,
    'gen_ai.usage.output_tokens': outputTokens,
    ...(cachedTokens === 0 ? {} : { 'gen_ai.usage.cache_read.input_tokens': cachedTokens }),
    ...(cacheWriteTokens === 0 ? {} : { 'gen_ai.usage.cache_write.input_tokens': cacheWriteTokens }),
    ...(reasoningTokens === 0 ? {} : { 'gen_ai.usage.reasoning.output_tokens': reasoningTokens }),
    ...(isEstimate ? { 'copilot.usage.is_estimate': true } : {}),
  };
}

function inputContent({ system, messages }: ModelRequest): Attributes {
  return {
    ...(system === '' ? {} : { 'gen_ai.system_instructions': JSON.stringify([{ type: 'text', content: system }]) }),
    'gen_ai.input.messages': JSON.stringify(messages.map(messageContent)),
  };
}

function outputContent({ text, toolCalls, finish }: ModelReply): Attributes {
  const message = messageContent({ role: 'assistant', text, toolCalls });
  return { 'gen_ai.output.messages': JSON.stringify([{ ...message, finish_reason: finish }]) };
}

/** In the convention's form. Images are left out. */
function messageContent(message: ModelMessage): { readonly role: string; readonly parts: readonly object[] } {
  const { role, text } = message;
  if (role === 'tool') return { role, parts: [{ type: 'tool_call_response', id: message.toolCallId, response: text }] };
  const calls = role === 'assistant' ? (message.toolCalls ?? []) : [];
  return {
    role,
    parts: [
      ...(text === '' ? [] : [{ type: 'text', content: text }]),
      ...calls.map(({ id, name, arguments: given }) => ({ type: 'tool_call', id, name, arguments: given })),
    ],
  };
}
