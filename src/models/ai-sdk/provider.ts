/** Language models of the AI SDK as a provider: Anthropic, Google, Bedrock, Mistral and whatever else has a package for it. */
import type { LanguageModelV4GenerateResult, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { CopilotError } from '../../contracts/errors.ts';
import { classify, classifyApiError, type ModelError, unreadableReply } from '../errors.ts';
import type { Finish, Model, ModelReply, ModelRequest, Provider, TokenUsage } from '../model.ts';
import { type Dialect, FIRST_DIALECT, describeLesson } from '../dialect.ts';
import { Dialects } from '../dialects.ts';
import { withLeftOut } from '../refused-tools.ts';
import { unusualEnd } from '../reading/ends.ts';
import { ReplyReader } from '../reading/reply.ts';
import { toolNames } from '../tool-names.ts';
import { wellFormed } from '../well-formed.ts';
import { AnthropicEnd } from './anthropic-end.ts';
import { Content } from './content.ts';
import { asksForThoughts, callOptions } from './prompt.ts';
import { partsOf } from './whole.ts';

/** A language model of the AI SDK: `anthropic('claude-sonnet-5')`. AI SDK 6 (`v3`) and 7 (`v4`). */
export interface AiSdkModel {
  readonly provider: string;
  readonly modelId: string;
  readonly specificationVersion: string;
  // The two versions differ in details of the options only.
  doStream(options: never): PromiseLike<{
    readonly stream: ReadableStream<unknown>;
    readonly response?: { readonly headers?: Readonly<Record<string, string>> };
  }>;
  /** Asked of a server that answers in one piece, whatever it is asked for. */
  doGenerate?(options: never): PromiseLike<unknown>;
}

/** A provider of the AI SDK: `createAnthropic({ … })`. */
export interface AiSdkProvider {
  languageModel(modelId: string): AiSdkModel;
}

export interface AiSdkOptions {
  /** Default: as the AI SDK names it, up to its first dot. */
  readonly name?: string;
  /** Longest time until the first part of a reply, in milliseconds. Default 10 minutes. */
  readonly firstByteMs?: number;
  /** Longest time between two parts, in milliseconds. Default 2 minutes. */
  readonly betweenBytesMs?: number;
}

const DEFAULT_FIRST_BYTE_MS = 600_000;
const DEFAULT_BETWEEN_BYTES_MS = 120_000;

/**
 * @param source a provider of the AI SDK, or one of its models, which then answers for every name
 * @throws CopilotError `InvalidInput` for a model of a version of the AI SDK that is not supported
 */
export function aiSdk(source: AiSdkProvider | AiSdkModel, options: AiSdkOptions = {}): Provider {
  const single = 'doStream' in source ? source : undefined;
  if (single) versionOf(single);
  const name = options.name ?? single?.provider.split('.')[0] ?? 'ai-sdk';
  const dialects = new Dialects();
  const closing = new AbortController();

  const model = (modelName: string): Model => {
    return {
      id: `${name}/${modelName}`,
      async reply(request) {
        const attempt = dialects.attempt(modelName, request, FIRST_DIALECT);
        for (;;) {
          const { dialect } = attempt;
          let body: Record<string, unknown> = { ...request };
          try {
            const inner = single ?? (source as AiSdkProvider).languageModel(modelName);
            body = { ...body, includeThoughts: asksForThoughts(inner.provider, request, dialect) };
            const reply = await callModel(inner, { request, dialect, provider: name, options, closed: closing.signal });
            attempt.keep();
            return withLeftOut(reply, request, dialect);
          } catch (thrown) {
            request.signal.throwIfAborted();
            const error = toModelError(thrown, modelName);
            const lesson = attempt.learn({ request, body, error, owner: name });
            if (!lesson) throw error;
            request.onLesson?.(describeLesson(lesson, modelName, error));
          }
        }
      },
    };
  };

  return {
    name,
    api: `the AI SDK's package for ${name}`,
    model,
    close() {
      closing.abort(new CopilotError('ModelUnavailable', { problem: 'its connections are closed' }));
      return Promise.resolve();
    },
  };
}

function versionOf({ specificationVersion, provider }: AiSdkModel): 'v3' | 'v4' {
  if (specificationVersion === 'v3' || specificationVersion === 'v4') return specificationVersion;
  throw new CopilotError('InvalidInput', {
    what: `The model of AI SDK provider ${provider}`,
    problem: `it implements specification ${specificationVersion}, and v3 (AI SDK 6) and v4 (AI SDK 7) are supported; install another version of its package`,
  });
}

interface Call {
  readonly request: ModelRequest;
  readonly dialect: Dialect;
  readonly provider: string;
  readonly options: AiSdkOptions;
  readonly closed: AbortSignal;
}

async function callModel(model: AiSdkModel, call: Call): Promise<ModelReply> {
  const { request, dialect, provider, options } = call;
  request.signal.throwIfAborted();
  const names = toolNames(
    [
      ...(request.tools ?? []),
      ...request.messages.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : [])),
    ].map(({ name }) => name),
  );
  const version = versionOf(model);
  const silence = new AbortController();
  const signal = AbortSignal.any([request.signal, call.closed, silence.signal]);
  const prompt = callOptions({ provider, owner: model.provider, request, dialect, names, version });
  const watch = watchSilence(silence);
  try {
    watch.expect(options.firstByteMs ?? DEFAULT_FIRST_BYTE_MS);
    const asked = { ...wellFormed(prompt), abortSignal: signal } as never;
    const { stream, response } = await model.doStream(asked);
    requireEvents(response?.headers, model.modelId);
    const hooks: Hooks = {
      onPart: () => watch.expect(options.betweenBytesMs ?? DEFAULT_BETWEEN_BYTES_MS),
      fromWire: names.fromWire,
      isWhole: model.doGenerate !== undefined && isOnePiece(response?.headers),
    };
    const reply = await readStream(stream as ReadableStream<LanguageModelV4StreamPart>, model, call, hooks);
    if (reply) return reply;
    watch.expect(options.firstByteMs ?? DEFAULT_FIRST_BYTE_MS);
    // The packages read such an answer, or the error in it, only if they asked for it.
    const whole = (await model.doGenerate?.(asked)) as LanguageModelV4GenerateResult;
    requireNoError(whole.response?.body);
    const read = await readStream(partsOf(whole), model, call, { ...hooks, isWhole: false });
    if (!read) throw unreadableReply('it answered with nothing');
    return read;
  } catch (error) {
    if (signal.aborted && !request.signal.aborted) throw signal.reason;
    throw error;
  } finally {
    watch.stop();
    silence.abort();
  }
}

/** The packages find nothing in a page, such as that of a login, and tell nobody. */
function requireEvents(headers: Readonly<Record<string, string>> = {}, model: string): void {
  const type = headers['content-type'] ?? '';
  if (/^text\/html\b/i.test(type))
    throw classifyApiError({ status: undefined, headers: new Headers(), body: '<html>' }, model);
}

function isOnePiece(headers: Readonly<Record<string, string>> = {}): boolean {
  return !/^$|event-?stream/i.test(headers['content-type'] ?? '');
}

/** Gemini's package takes an error for a reply, or an event of one, that says nothing. */
function requireNoError(event: unknown): void {
  if (typeof event !== 'object' || event === null || !('error' in event) || 'type' in event) return;
  if (typeof event.error === 'object' && event.error !== null) throw event.error;
}

function watchSilence(silence: AbortController): { expect(ms: number): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  return {
    expect(ms) {
      clearTimeout(timer);
      if (ms === 0) return;
      const end = (): void => silence.abort(new CopilotError('ModelUnavailable', { problem: 'no byte came in time' }));
      timer = setTimeout(end, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

interface Hooks {
  readonly onPart: () => void;
  readonly fromWire: (name: string) => string;
  /** Whether the answer is said to be one piece, such as JSON, in which packages find no event. */
  readonly isWhole: boolean;
}

/** @returns undefined if an answer that is said to be one piece has no events */
async function readStream(
  stream: AsyncIterable<LanguageModelV4StreamPart> | Iterable<LanguageModelV4StreamPart>,
  model: AiSdkModel,
  { request, provider }: Call,
  { onPart, fromWire, isWhole }: Hooks,
): Promise<ModelReply | undefined> {
  const content = new Content();
  const reader = new ReplyReader(request);
  const end = new AnthropicEnd();
  let finish: Finish | undefined;
  let usage: TokenUsage | undefined;
  let modelId = model.modelId;
  for await (const part of stream) {
    onPart();
    // An event that the package does not know; the next ones may be all there is to know.
    if (part.type === 'error' && isUnknown(part.error)) continue;
    if (part.type === 'error') throw part.error;
    if (part.type === 'raw') {
      requireNoError(part.rawValue);
      end.add(part.rawValue);
    }
    if (part.type === 'response-metadata') modelId = part.modelId ?? modelId;
    if (part.type === 'finish') {
      finish = toFinish(part.finishReason);
      usage = toUsage(part.usage);
    }
    const { text, reasoning } = content.add(part);
    if (text) reader.onText(text);
    if (reasoning) reader.onReasoning(reasoning);
    if (reader.isRepeating) break;
  }
  if (isWhole && content.isEmpty) return undefined;
  const told = finish === undefined ? end.finish(content.calls.length > 0) : undefined;
  if (told !== undefined) [finish, usage] = [told, end.usage];
  const calls = content.calls.map((call) => ({ ...call, name: fromWire(call.name) }));
  return reader.finish(provider, { calls, finish, usage, model: modelId, items: content.pack() });
}

type FinishReason = Extract<LanguageModelV4StreamPart, { type: 'finish' }>['finishReason'];

/** @returns undefined if the provider's stream ended before the reply did */
function toFinish({ unified, raw }: FinishReason): Finish | undefined {
  switch (unified) {
    case 'tool-calls':
      return 'tool_calls';
    case 'content-filter':
      // Claude's own word for it.
      return raw === 'refusal' ? 'refused' : 'filtered';
    case 'error':
      return 'failed';
    case 'interrupted':
      return undefined;
    case 'other':
      return unusualEnd(raw ?? '') ?? 'stop';
    case 'stop':
    case 'length':
      return unified;
  }
}

function toUsage({
  inputTokens,
  outputTokens,
}: Extract<LanguageModelV4StreamPart, { type: 'finish' }>['usage']): TokenUsage | undefined {
  if (inputTokens.total === undefined && outputTokens.total === undefined) return undefined;
  return {
    inputTokens: inputTokens.total ?? 0,
    cachedTokens: inputTokens.cacheRead ?? 0,
    cacheWriteTokens: inputTokens.cacheWrite ?? 0,
    outputTokens: outputTokens.total ?? 0,
    reasoningTokens: outputTokens.reasoning ?? 0,
    isEstimate: false,
  };
}

function isUnknown(error: unknown): boolean {
  return error instanceof Error && ['AI_TypeValidationError', 'AI_JSONParseError'].includes(error.name);
}

/** The AI SDK's errors by their names: its packages may be there in several versions. */
function toModelError(error: unknown, model: string): ModelError {
  // Errors in the middle of a stream come as the server wrote them.
  if (typeof error === 'object' && error !== null && !(error instanceof Error))
    return classifyApiError({ status: undefined, headers: new Headers(), body: { error } }, model);
  if (error instanceof CopilotError || !(error instanceof Error)) return classify(error);
  const { name, message } = error;
  if ('responseBody' in error || 'statusCode' in error) {
    const { statusCode, responseHeaders, responseBody, data } = error as {
      statusCode?: number;
      responseHeaders?: Record<string, string>;
      responseBody?: string;
      data?: unknown;
    };
    // The packages keep less of it than the server said, such as when to try again.
    const body = responseBody || data;
    if (statusCode === undefined && body === undefined) return classify(error);
    // An error under the status of an answer.
    const isSuccess = statusCode !== undefined && statusCode < 300;
    return classifyApiError(
      { status: isSuccess ? undefined : statusCode, headers: new Headers(responseHeaders), body: body ?? message },
      model,
    );
  }
  const refusal = {
    AI_LoadAPIKeyError: 'key',
    AI_NoSuchModelError: 'model',
    AI_UnsupportedFunctionalityError: 'form',
    AI_InvalidPromptError: 'form',
  }[name];
  return refusal === undefined
    ? classify(error)
    : new CopilotError('ModelRejected', { model, problem: message, refusal }, { cause: error });
}
