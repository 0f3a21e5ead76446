/** OpenAI's API and the many that are compatible with it, as a provider. */
import { CopilotError } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import { classify, classifyApiError } from '../errors.ts';
import type { Model, ModelReply, ModelRequest, Provider } from '../model.ts';
import { type RawReply, ReplyReader } from '../reading/reply.ts';
import { readParts, type ReplyPart } from '../sse.ts';
import type { ProxySettings } from '../transport.ts';
import { isOpenAi, OPENAI_URL, parseAddress } from './address.ts';
import { ChatReply, failedGeneration } from './chat-reply.ts';
import { chatBody } from './chat-request.ts';
import { openClient, type ApiClient } from './client.ts';
import { FIRST_DIALECT, OPENAI_DIALECT, describeLesson } from '../dialect.ts';
import { Dialects } from '../dialects.ts';
import { withLeftOut } from '../refused-tools.ts';
import { responsesBody } from './responses-request.ts';
import { ResponsesReply } from './responses-reply.ts';
import { toolNames, type ToolNames } from '../tool-names.ts';

export interface OpenAiOptions {
  /** Default: `openai` at OpenAI's own address, the host elsewhere. */
  readonly name?: string;
  /** Default OpenAI's own address. A full endpoint, a trailing slash and a query are understood. */
  readonly baseUrl?: string;
  /** Default: requests carry no key. */
  readonly apiKey?: string;
  /** Default `responses` at OpenAI's own address, `chat` (chat completions) elsewhere. */
  readonly api?: 'responses' | 'chat';
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Fields of each request beside those that are sent anyway, such as `{ chat_template_kwargs: { enable_thinking: false } }`. */
  readonly body?: Readonly<Record<string, Json>>;
  /** Longest time until the first byte, in milliseconds. Default 10 minutes. */
  readonly firstByteMs?: number;
  /** Longest time between two bytes, in milliseconds. Default 2 minutes. */
  readonly betweenBytesMs?: number;
  /** Default: no proxy. */
  readonly proxy?: ProxySettings;
}

const DEFAULT_FIRST_BYTE_MS = 600_000;
const DEFAULT_BETWEEN_BYTES_MS = 120_000;
/** Attempts to say one request in another way. Each gives something up, such as one of many tools, so they end. */
const MAX_LESSONS = 200;

/**
 * @param dialects what is known of the models already; grows with what is learnt
 * @throws CopilotError `InvalidConfig` if `baseUrl` is not an http or https URL, or `body` has a field of the program's own;
 *   `PackageMissing` without the package `openai`
 */
export function openAi(options: OpenAiOptions = {}, dialects = new Dialects()): Provider {
  const { baseUrl = OPENAI_URL, apiKey, headers } = options;
  const address = parseAddress(
    baseUrl,
    options.name === undefined ? 'OPENAI_BASE_URL' : `providers.${options.name}.baseUrl`,
  );
  requireExtras(options);
  const name = options.name ?? (isOpenAi(address) ? 'openai' : new URL(address.baseUrl).host);
  const api = options.api ?? (isOpenAi(address) ? 'responses' : 'chat');
  // The two forms need different things back.
  const dataOwner = `${name}:${api}`;
  const client = openClient({
    address,
    apiKey,
    headers,
    firstByteMs: options.firstByteMs ?? DEFAULT_FIRST_BYTE_MS,
    betweenBytesMs: options.betweenBytesMs ?? DEFAULT_BETWEEN_BYTES_MS,
    proxy: options.proxy,
  });
  const first = isOpenAi(address) ? OPENAI_DIALECT : FIRST_DIALECT;

  const model = (modelName: string): Model => ({
    id: `${name}/${modelName}`,
    async reply(request) {
      const attempt = dialects.attempt(modelName, request, first);
      for (let lessons = 0; ; lessons++) {
        const { dialect } = attempt;
        const names = toolNames(namesIn(request));
        const write = api === 'chat' ? chatBody : responsesBody;
        const body = { ...write(dataOwner, modelName, request, dialect, names), ...options.body };
        try {
          const reply = await call(client, api, { dataOwner, model: modelName, request, body, names });
          attempt.keep();
          return withLeftOut(reply, request, dialect);
        } catch (thrown) {
          request.signal.throwIfAborted();
          const error = classify(thrown);
          const lesson = lessons < MAX_LESSONS ? attempt.learn({ request, body, error, owner: dataOwner }) : undefined;
          if (!lesson) throw error;
          request.onLesson?.(describeLesson(lesson, modelName, error));
        }
      }
    },
  });

  return {
    name,
    api: `${api === 'chat' ? 'chat completions' : 'the Responses API'} at ${address.baseUrl}`,
    model,
    list: (signal) => client.list(signal),
    close() {
      client.close();
      return Promise.resolve();
    },
  };
}

/** What only the program can know. */
const OWN_FIELDS = ['model', 'messages', 'input', 'instructions', 'tools', 'stream', 'store', 'n'];

function requireExtras({ name = 'default', body = {} }: OpenAiOptions): void {
  const own = OWN_FIELDS.find((field) => Object.hasOwn(body, field));
  if (own === undefined) return;
  const problem = `each request has a ${own} of its own; leave it out`;
  throw new CopilotError('InvalidConfig', { name: `providers.${name}.body`, value: JSON.stringify(body), problem });
}

/** Of tools on offer, and of those that were called in the conversation. */
function namesIn({ tools = [], messages }: ModelRequest): string[] {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : []));
  return [...tools, ...calls].map((tool) => tool.name);
}

interface Call {
  readonly dataOwner: string;
  readonly model: string;
  readonly request: ModelRequest;
  readonly body: Record<string, unknown>;
  readonly names: ToolNames;
}

async function call(client: ApiClient, api: 'responses' | 'chat', details: Call): Promise<ModelReply> {
  const { request } = details;
  request.signal.throwIfAborted();
  // The SDK never removes its abort listener, and one signal serves several calls. So each call has its own controller.
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  request.signal.addEventListener('abort', abort, { once: true });
  let isWhole = false;
  try {
    const endpoint = api === 'chat' ? '/chat/completions' : '/responses';
    const response = await client.post(endpoint, details.body, details.model, controller.signal);
    const reply = await readReply(response, api, details);
    request.signal.throwIfAborted();
    isWhole = true;
    return reply;
  } finally {
    request.signal.removeEventListener('abort', abort);
    // A reply that was given up in the middle leaves no connection behind.
    if (!isWhole) controller.abort();
  }
}

async function readReply(response: Response, api: 'responses' | 'chat', details: Call): Promise<ModelReply> {
  const { request, names, dataOwner } = details;
  const reader = new ReplyReader(request);
  const raw = await (api === 'chat' ? readChat : readResponses)(response, reader, details.model);
  const calls = raw.calls.map((call) => ({ ...call, name: names.fromWire(call.name) }));
  return reader.finish(dataOwner, { ...raw, calls });
}

type Read = (response: Response, reader: ReplyReader, model: string) => Promise<RawReply>;

const readChat: Read = async (response, reader, model) => {
  const reply = new ChatReply(reader);
  let isDone = false;
  let heard: unknown;
  for await (const part of readParts(response, () => reply.hasEnded)) {
    if (part.kind === 'done') isDone = true;
    else {
      const error = errorIn(part);
      if (hasMessage(part.value)) heard = part.value;
      const generation = failedGeneration(error);
      if (error !== undefined && !generation)
        throw classifyApiError({ status: undefined, headers: response.headers, body: error }, model);
      reply.add(generation ?? part.value);
      isDone ||= part.kind === 'whole';
      if (reader.isRepeating) break;
    }
  }
  const { extras, ...result } = reply.finish(isDone);
  // A message behind which nothing comes was no sign of life.
  if (result.finish === undefined && heard !== undefined)
    throw classifyApiError({ status: undefined, headers: response.headers, body: heard }, model);
  return { ...result, model: result.model ?? model, items: extras && [{ ...extras }] };
};

/** The error that a server tells under status 200, or undefined. */
function errorIn(part: ReplyPart): unknown {
  if (part.kind === 'done') return undefined;
  const { value } = part;
  if (typeof value !== 'object' || value === null) return part.kind === 'whole' ? value : undefined;
  if (Array.isArray(value) || ('error' in value && value.error)) return value;
  if (part.kind === 'event' && part.isError) return value;
  const { choices, output } = value as { choices?: unknown; output?: unknown };
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  // LM Studio and OpenRouter say an error here.
  if (typeof first === 'object' && first !== null && 'error' in first && first.error) return first;
  if (Array.isArray(choices) || Array.isArray(output)) return undefined;
  const tells = ['detail', 'errors'].some((name) => name in value) || (hasMessage(value) && isCoded(value));
  return part.kind === 'whole' || (tells && !('usage' in value)) ? value : undefined;
}

function hasMessage(value: unknown): boolean {
  return typeof value === 'object' && value !== null && ['message', 'msg'].some((name) => name in value);
}

/** A message alone may be a sign of life. */
function isCoded(value: object): boolean {
  return ['code', 'type', 'status', 'statusCode', 'status_code', 'error_code', 'error_type'].some(
    (name) => name in value,
  );
}

const readResponses: Read = async (response, reader, model) => {
  const { headers } = response;
  const reply = new ResponsesReply(reader, model);
  for await (const part of readParts(response, () => reply.hasEnded)) {
    if (part.kind === 'done') break;
    const error = errorIn(part);
    const value = part.kind === 'event' ? typed(part) : part.value;
    const isEvent = part.kind === 'event' && typeof value === 'object' && value !== null && 'type' in value;
    if (error !== undefined && !isEvent) throw classifyApiError({ status: undefined, headers, body: error }, model);
    if (part.kind === 'whole') reply.addWhole(part.value, headers);
    else reply.add(value, headers);
    if (reader.isRepeating) break;
  }
  const result = reply.finish();
  return { ...result, model: result.model ?? model };
};

/** An event with its type. Some gateways say it in the name of the event alone. */
function typed({ value, name }: Extract<ReplyPart, { kind: 'event' }>): unknown {
  if (typeof value !== 'object' || value === null || 'type' in value || !name?.startsWith('response.')) return value;
  return { type: name, ...value };
}
