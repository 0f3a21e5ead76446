/** A request in the form of the AI SDK's language models. */
import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
} from '@ai-sdk/provider';
import type { ModelImage, ModelMessage, ModelRequest, ToolSchema } from '../model.ts';
import { type Dialect, type OutputForm, SKIPPED_SIGNATURE } from '../dialect.ts';
import { worded } from '../in-prompt.ts';
import { hasProperties } from '../open-schemas.ts';
import { outputForm } from '../refused-output.ts';
import type { ToolNames } from '../tool-names.ts';
import { unpackContent } from './content.ts';

type Assistant = Extract<LanguageModelV4Message, { role: 'assistant' }>;
type ToolResult = Extract<
  Extract<LanguageModelV4Message, { role: 'tool' }>['content'][number],
  { type: 'tool-result' }
>;

export interface PromptOptions {
  readonly provider: string;
  /** The provider as the AI SDK names it, such as `anthropic.messages`. */
  readonly owner: string;
  readonly request: ModelRequest;
  readonly dialect: Dialect;
  readonly names: ToolNames;
  /** The specification that the model implements. */
  readonly version: 'v3' | 'v4';
}

/** Packages that pass the images of tool results on. The others would write them out as text. */
const TAKES_RESULT_IMAGES = /^(anthropic|google|vertex|amazon-bedrock)\b|\.responses$/;

type Options = Pick<LanguageModelV4CallOptions, 'providerOptions'>;

/** The Responses API stores by default, and its packages then send names of what it has in place of the reasoning itself. */
function stateless(owner: string): Options {
  if (!owner.endsWith('.responses')) return {};
  const names = ['openai', owner.slice(0, owner.indexOf('.'))];
  return { providerOptions: Object.fromEntries(names.map((name) => [name, { store: false }])) };
}

/** Whether a request asks to see the thoughts of Gemini, which shows none unless it is asked. */
export function asksForThoughts(owner: string, { onReasoning, effort }: ModelRequest, dialect: Dialect): boolean {
  const isOff = !dialect.without.has('effort') && (dialect.effort ?? effort) === 'none';
  return GEMINI.test(owner) && onReasoning !== undefined && !isOff && !dialect.without.has('summary');
}

/** At the Gemini API and at Vertex, which has models of Anthropic and others as well. */
const GEMINI = /^google\.(generative-ai|vertex\.chat)\b/;

function thoughts(owner: string): Options {
  const names = owner.includes('vertex') ? ['googleVertex', 'vertex'] : ['google'];
  const options = { thinkingConfig: { includeThoughts: true } };
  return { providerOptions: Object.fromEntries(names.map((name) => [name, options])) };
}

/** At any address. It caches only what a request marks. */
const ANTHROPIC = /\banthropic\b/;

/** The system message with the tools is the same for a while, and the next round goes on from the last message. */
function withCachePoints(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  const point = { anthropic: { cacheControl: { type: 'ephemeral' } } };
  return prompt.map((message, index) =>
    message.role === 'system' || index === prompt.length - 1 ? { ...message, providerOptions: point } : message,
  );
}

export function callOptions({
  provider,
  owner,
  dialect,
  names,
  version,
  ...options
}: PromptOptions): LanguageModelV4CallOptions {
  const request = worded(options.request, dialect, TAKES_RESULT_IMAGES.test(owner));
  const { system, messages, output, tools = [], temperature, maxOutputTokens } = request;
  const { without } = dialect;
  const form = outputForm(request, dialect);
  // Gemini's packages take a tool without a schema, which their type does not say.
  const isBare = (parameters: ToolSchema['parameters']): boolean =>
    GEMINI.test(owner) && without.has('open schemas') && !hasProperties(parameters);
  const effort = without.has('effort') ? undefined : (dialect.effort ?? request.effort);
  const isCached = request.cacheKey !== undefined && !without.has('cache key') && ANTHROPIC.test(owner);
  const prompt: LanguageModelV4Prompt = [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    ...toPrompt(messages, { provider, names, version, filledIn: dialect.filledIn }),
  ];
  return {
    ...(ANTHROPIC.test(owner) || GEMINI.test(owner) ? { includeRawChunks: true } : {}),
    ...stateless(owner),
    ...(asksForThoughts(owner, request, dialect) ? thoughts(owner) : {}),
    prompt: isCached ? withCachePoints(prompt) : prompt,
    ...(tools.length === 0
      ? {}
      : {
          tools: tools.map(({ name, description, parameters }) => ({
            type: 'function' as const,
            name: names.toWire(name),
            description,
            inputSchema: (isBare(parameters) ? undefined : parameters) as JSONSchema7,
          })),
        }),
    ...(temperature === undefined || without.has('temperature') ? {} : { temperature }),
    ...(maxOutputTokens === undefined || dialect.limits.length === 0 ? {} : { maxOutputTokens }),
    ...(effort === undefined ? {} : { reasoning: effort }),
    ...(output === undefined || form === 'prompt' ? {} : { responseFormat: responseFormat(output, form) }),
  };
}

function responseFormat(
  { name, schema }: NonNullable<ModelRequest['output']>,
  form: OutputForm,
): NonNullable<LanguageModelV4CallOptions['responseFormat']> {
  return form === 'json' ? { type: 'json' } : { type: 'json', name, schema };
}

type Context = Pick<PromptOptions, 'provider' | 'names' | 'version'> & Pick<Dialect, 'filledIn'>;

function toPrompt(messages: readonly ModelMessage[], context: Context): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = [];
  const toolNames = new Map<string, string>();
  for (const message of messages) {
    if (message.role === 'user') {
      prompt.push({ role: 'user', content: [...text(message.text), ...files(message.images, context.version)] });
    } else if (message.role === 'assistant') {
      for (const { id, name } of message.toolCalls ?? []) toolNames.set(id, context.names.toWire(name));
      prompt.push({ role: 'assistant', content: assistantContent(message, context) });
    } else {
      const result = toolResult(message, toolNames.get(message.toolCallId) ?? 'unknown', context.version);
      const last = prompt.at(-1);
      // The results of one round stand in one message.
      if (last?.role === 'tool') last.content.push(result);
      else prompt.push({ role: 'tool', content: [result] });
    }
  }
  return prompt;
}

/** Older packages do not fill it in themselves. */
const NO_SIGNATURE = Object.fromEntries(
  ['google', 'vertex', 'googleVertex'].map((name) => [name, { thoughtSignature: SKIPPED_SIGNATURE }]),
);

function assistantContent(
  message: Extract<ModelMessage, { role: 'assistant' }>,
  { provider, names, filledIn }: Context,
): Assistant['content'] {
  const { text: said, toolCalls = [], providerData } = message;
  const own = providerData?.provider === provider ? unpackContent(providerData.items, message, names) : undefined;
  if (own) return own;
  return [
    ...(filledIn.has('reasoning_content') ? [{ type: 'reasoning' as const, text: ' ' }] : []),
    ...text(said),
    ...toolCalls.map((call, index) => ({
      type: 'tool-call' as const,
      toolCallId: call.id,
      toolName: names.toWire(call.name),
      input: JSON.parse(call.arguments) as unknown,
      ...(index === 0 && filledIn.has('thought_signature') ? { providerOptions: NO_SIGNATURE } : {}),
    })),
  ];
}

function toolResult(
  { toolCallId, text: value, images = [] }: Extract<ModelMessage, { role: 'tool' }>,
  toolName: string,
  version: PromptOptions['version'],
): ToolResult {
  const output: ToolResult['output'] =
    images.length === 0
      ? { type: 'text', value }
      : { type: 'content', value: [{ type: 'text', text: value }, ...files(images, version)] };
  return { type: 'tool-result', toolCallId, toolName, output };
}

function text(value: string): { type: 'text'; text: string }[] {
  return value.trim() === '' ? [] : [{ type: 'text', text: value }];
}

interface FilePart {
  readonly type: 'file';
  readonly mediaType: string;
  readonly data: { readonly type: 'data'; readonly data: string };
}

function files(images: readonly ModelImage[] = [], version: PromptOptions['version']): FilePart[] {
  return images.map(({ mediaType, base64 }) => ({
    type: 'file',
    mediaType,
    // Version 3 has the data itself in this place.
    data: (version === 'v4' ? { type: 'data', data: base64 } : base64) as FilePart['data'],
  }));
}
