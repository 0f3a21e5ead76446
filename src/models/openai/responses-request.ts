/** A request in the form of the Responses API, stateless: everything goes along, and nothing is stored at the provider. */
import type OpenAI from 'openai';
import type { ModelImage, ModelMessage, ModelRequest } from '../model.ts';
import type { Dialect, OutputForm } from '../dialect.ts';
import { worded } from '../in-prompt.ts';
import { outputForm } from '../refused-output.ts';
import { unpackItems } from './response-items.ts';
import { allowsStrict, withoutLengths } from './strict-schema.ts';
import type { ToolNames } from '../tool-names.ts';

type InputItem = OpenAI.Responses.ResponseInputItem;

export function responsesBody(
  provider: string,
  model: string,
  asked: ModelRequest,
  dialect: Dialect,
  names: ToolNames,
): Record<string, unknown> {
  const request = worded(asked, dialect, true);
  const { output, tools = [], temperature, maxOutputTokens, cacheKey, onReasoning } = request;
  const { without } = dialect;
  const form = outputForm(request, dialect);
  const effort = without.has('effort') ? undefined : (dialect.effort ?? request.effort);
  const summary = onReasoning !== undefined && effort !== 'none' && !without.has('summary') ? 'auto' : undefined;
  return {
    model,
    input: [
      ...(request.system !== '' && without.has('instructions') ? [{ role: 'system', content: request.system }] : []),
      ...request.messages.flatMap((message) => inputItems(provider, message, names)),
    ],
    ...(request.system === '' || without.has('instructions') ? {} : { instructions: request.system }),
    ...(without.has('store') ? {} : { store: false }),
    ...(without.has('encrypted') ? {} : { include: ['reasoning.encrypted_content'] }),
    ...(without.has('streaming') ? {} : { stream: true }),
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map((tool) => ({
            type: 'function',
            ...tool,
            name: names.toWire(tool.name),
            // The API's default is strict, which refuses most schemas.
            ...(without.has('strict') ? {} : { strict: false }),
          })),
        }),
    ...(temperature === undefined || without.has('temperature') ? {} : { temperature }),
    ...(maxOutputTokens === undefined || dialect.limits.length === 0 ? {} : { max_output_tokens: maxOutputTokens }),
    ...(effort === undefined && summary === undefined
      ? {}
      : { reasoning: { ...(effort === undefined ? {} : { effort }), ...(summary === undefined ? {} : { summary }) } }),
    ...(output === undefined || form === 'prompt' ? {} : { text: { format: outputFormat(output, form, dialect) } }),
    ...(cacheKey === undefined || without.has('cache key') ? {} : { prompt_cache_key: cacheKey }),
  };
}

function outputFormat(
  output: NonNullable<ModelRequest['output']>,
  form: OutputForm,
  dialect: Dialect,
): Record<string, unknown> {
  if (form === 'json') return { type: 'json_object' };
  return {
    type: 'json_schema',
    name: output.name,
    schema: dialect.without.has('lengths') ? withoutLengths(output.schema) : output.schema,
    strict: !dialect.without.has('strict') && allowsStrict(output.schema),
  };
}

function inputItems(provider: string, message: ModelMessage, names: ToolNames): InputItem[] {
  switch (message.role) {
    case 'user':
      return [{ role: 'user', content: withImages(message.text, message.images) }];
    case 'tool':
      return [
        {
          type: 'function_call_output',
          call_id: message.toolCallId,
          output: withImages(message.text, message.images),
        },
      ];
    case 'assistant': {
      const { text, toolCalls = [], providerData } = message;
      const own = providerData?.provider === provider ? unpackItems(providerData.items, message, names) : undefined;
      if (own) return own;
      return [
        ...(text === '' ? [] : [{ role: 'assistant' as const, content: text }]),
        ...toolCalls.map((call) => ({
          type: 'function_call' as const,
          call_id: call.id,
          name: names.toWire(call.name),
          arguments: call.arguments,
        })),
      ];
    }
  }
}

type Part = OpenAI.Responses.ResponseInputText | OpenAI.Responses.ResponseInputImage;

function withImages(text: string, images: readonly ModelImage[] = []): string | Part[] {
  if (images.length === 0) return text;
  return [
    ...(text === '' ? [] : [{ type: 'input_text' as const, text }]),
    ...images.map(({ mediaType, base64 }) => ({
      type: 'input_image' as const,
      detail: 'auto' as const,
      image_url: `data:${mediaType};base64,${base64}`,
    })),
  ];
}
