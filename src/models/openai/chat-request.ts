/** A request in the form of chat completions. */
import type OpenAI from 'openai';
import type { Json } from '../../contracts/json.ts';
import type { ModelImage, ModelMessage, ModelRequest } from '../model.ts';
import { type Dialect, SKIPPED_SIGNATURE } from '../dialect.ts';
import { worded } from '../in-prompt.ts';
import { hasProperties } from '../open-schemas.ts';
import { outputForm } from '../refused-output.ts';
import { allowsStrict, withoutLengths } from './strict-schema.ts';
import type { ToolNames } from '../tool-names.ts';

type Body = OpenAI.ChatCompletionCreateParams;
type WireMessage = OpenAI.ChatCompletionMessageParam;

/** What a server sent beside text and calls, by its own names. */
export interface ChatExtras {
  readonly message: Readonly<Record<string, Json>>;
  /** In the order of the message's calls. */
  readonly calls: readonly Readonly<Record<string, Json>>[];
  /** What stood before the text of a message with calls, marks included. */
  readonly thinking?: string;
}

export function chatBody(
  provider: string,
  model: string,
  asked: ModelRequest,
  dialect: Dialect,
  names: ToolNames,
): Record<string, unknown> {
  const request = worded(asked, dialect, false);
  const { output, tools = [], temperature, maxOutputTokens } = request;
  const { without } = dialect;
  const form = outputForm(request, dialect);
  const effort = without.has('effort') ? undefined : (dialect.effort ?? request.effort);
  const body: Record<string, unknown> & Pick<Body, 'model' | 'messages'> = {
    model,
    messages: chatMessages(provider, request, dialect, names),
  };
  if (!without.has('streaming')) {
    body['stream'] = true;
    if (!without.has('usage')) body['stream_options'] = { include_usage: true };
  }
  // OpenAI refuses an empty list.
  if (tools.length > 0) {
    body['tools'] = tools.map(({ name, description, parameters }) => {
      const isBare = without.has('open schemas') && !hasProperties(parameters);
      const about = { name: names.toWire(name), description, ...(isBare ? {} : { parameters }) };
      return { type: 'function', function: about };
    });
  }
  if (temperature !== undefined && !without.has('temperature')) body['temperature'] = temperature;
  if (maxOutputTokens !== undefined && dialect.limits[0]) body[dialect.limits[0]] = maxOutputTokens;
  if (effort !== undefined) body['reasoning_effort'] = effort;
  if (output !== undefined && form === 'json') body['response_format'] = { type: 'json_object' };
  if (output !== undefined && form === 'schema') {
    const { name } = output;
    const strict = !without.has('strict') && allowsStrict(output.schema);
    const schema = without.has('lengths') ? withoutLengths(output.schema) : output.schema;
    body['response_format'] = { type: 'json_schema', json_schema: { name, schema, ...(strict ? { strict } : {}) } };
  }
  return body;
}

function chatMessages(
  provider: string,
  { system, messages }: ModelRequest,
  dialect: Dialect,
  names: ToolNames,
): WireMessage[] {
  const wire = messages.map((message) => chatMessage(provider, message, dialect, names));
  if (system === '') return wire;
  if (dialect.system !== 'user') return [{ role: dialect.system, content: system }, ...wire];
  const [first, ...rest] = wire;
  if (first?.role !== 'user') return [{ role: 'user', content: system }, ...wire];
  const content =
    typeof first.content === 'string'
      ? `${system}\n\n${first.content}`
      : [{ type: 'text' as const, text: system }, ...first.content];
  return [{ ...first, content }, ...rest];
}

function chatMessage(provider: string, message: ModelMessage, dialect: Dialect, names: ToolNames): WireMessage {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: withImages(message.text, message.images) };
    case 'tool':
      return { role: 'tool', tool_call_id: message.toolCallId, content: message.text };
    case 'assistant': {
      const { text, toolCalls = [], providerData } = message;
      // What this provider's reply left is one object, see chat-reply.ts.
      const extras =
        providerData?.provider === provider ? (providerData.items[0] as unknown as ChatExtras | undefined) : undefined;
      const said = (extras?.thinking ?? '') + text;
      const kept = (fields: Readonly<Record<string, Json>> = {}) =>
        Object.fromEntries(Object.entries(fields).filter(([name]) => !dialect.notReturned.has(name)));
      return {
        role: 'assistant',
        content: said.trim() === '' && toolCalls.length > 0 && !dialect.without.has('null content') ? null : said,
        ...(toolCalls.length === 0
          ? {}
          : {
              tool_calls: toolCalls.map((call, index) => ({
                id: call.id,
                type: 'function' as const,
                function: { name: names.toWire(call.name), arguments: call.arguments },
                ...(index === 0 ? filledCall(dialect) : {}),
                ...kept(extras?.calls[index]),
              })),
            }),
        ...filledMessage(dialect),
        ...kept(extras?.message),
      };
    }
  }
}

function filledCall({ filledIn }: Dialect): object {
  return filledIn.has('thought_signature')
    ? { extra_content: { google: { thought_signature: SKIPPED_SIGNATURE } } }
    : {};
}

/** Some servers take an empty text for none. */
function filledMessage({ filledIn }: Dialect): object {
  return filledIn.has('reasoning_content') ? { reasoning_content: ' ' } : {};
}

function withImages(text: string, images: readonly ModelImage[] = []): string | OpenAI.ChatCompletionContentPart[] {
  if (images.length === 0) return text;
  return [
    ...(text === '' ? [] : [{ type: 'text' as const, text }]),
    ...images.map(({ mediaType, base64 }) => ({
      type: 'image_url' as const,
      image_url: { url: `data:${mediaType};base64,${base64}` },
    })),
  ];
}
