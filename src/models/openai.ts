/**
 * The one client of models: chat completions over the `openai` package, with any server that speaks them.
 * It never retries what may pass by itself: Temporal does, and counts. It does say a refused request
 * again in a way that the server may take, see `dialect.ts`, and without what it refused before, see `refused.ts`.
 */
import OpenAI from 'openai';
import type { Message } from '../contracts/transcript.ts';
import { COMPATIBLE_DIALECT, nextDialect, OPENAI_DIALECT, type Dialect } from './dialect.ts';
import { classify } from './errors.ts';
import { withoutRefused } from './refused.ts';
import { ReplyBuilder, type ModelReply } from './reply.ts';
import { allowsStrict } from './strict-schema.ts';
import { checked, readEvents } from './sse.ts';
import { type ToolNames, toolNames } from './tool-names.ts';
import { openTransport } from './transport.ts';

export type { ModelReply } from './reply.ts';

export interface ToolSchema {
  /** Any text: what the API does not take is renamed on the way there and back. */
  readonly name: string;
  readonly description: string;
  /** JSON schema of the arguments. */
  readonly parameters: Record<string, unknown>;
}

export interface ModelRequest {
  readonly model: string;
  readonly system: string;
  readonly messages: readonly Message[];
  readonly tools?: readonly ToolSchema[];
  /** Sent only when given: some models refuse it. */
  readonly temperature?: number;
  readonly maxOutputTokens?: number;
  /** Asks for JSON of this schema. The reply's text still needs checking: not every server enforces it. */
  readonly output?: { readonly name: string; readonly schema: Record<string, unknown> };
  /** Closes the connection; `reply` then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Gets the text as it comes. */
  readonly onText?: (delta: string) => void;
}

export interface Model {
  /**
   * @throws ModelError `ModelUnavailable` (perhaps with `retryAfterMs`), `ModelRejected` or `ContextOverflow`;
   * the reason of `signal` when it was aborted
   */
  reply(request: ModelRequest): Promise<ModelReply>;
  /** Closes all connections; calls under way fail as `ModelUnavailable`. */
  close(): Promise<void>;
}

export interface ModelOptions {
  /** Default OpenAI's own. */
  readonly baseUrl?: string;
  readonly apiKey?: string;
  /** Longest time without a byte from the server, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

/** Where requests go without a base URL. */
export const OPENAI_URL = 'https://api.openai.com/v1';
const DEFAULT_TIMEOUT_MS = 60_000;
/** The SDK's own limit covers a whole call, however lively; the transport watches for silence instead. */
const NO_TIMEOUT_MS = 2_147_483_647;

type Body = OpenAI.ChatCompletionCreateParamsStreaming;

export function openModel(options: ModelOptions): Model {
  const transport = openTransport(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const client = new OpenAI({
    baseURL: options.baseUrl ?? OPENAI_URL,
    apiKey: options.apiKey ?? 'none',
    // Given so that the SDK does not look for them in the environment, which is config.ts's to read.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    logLevel: 'off',
    maxRetries: 0,
    timeout: NO_TIMEOUT_MS,
    fetch: transport.fetch,
    // A local server without a key gets no made-up one.
    ...(options.apiKey === undefined ? { defaultHeaders: { Authorization: null } } : {}),
  });
  const firstDialect =
    options.baseUrl === undefined || options.baseUrl.startsWith(OPENAI_URL) ? OPENAI_DIALECT : COMPATIBLE_DIALECT;
  const dialects = new Map<string, Dialect>();

  return {
    async reply(asked) {
      let request = asked;
      let dialect = dialects.get(request.model) ?? firstDialect;
      for (;;) {
        try {
          const reply = await call(client, request, dialect);
          dialects.set(request.model, dialect);
          return reply;
        } catch (error) {
          request.signal.throwIfAborted();
          const classified = classify(error, request.model);
          const status = error instanceof OpenAI.APIError ? (error.status as number | undefined) : undefined;
          const isRefused = classified.type === 'ModelRejected' && (status === 400 || status === 422);
          const rest = isRefused ? withoutRefused(request.messages) : undefined;
          const next = nextDialect(dialect, classified, status, request.output !== undefined);
          if (rest) request = { ...request, messages: rest };
          else if (next) dialect = next;
          else throw classified;
        }
      }
    },
    close() {
      transport.close();
      return Promise.resolve();
    },
  };
}

async function call(client: OpenAI, request: ModelRequest, dialect: Dialect): Promise<ModelReply> {
  request.signal.throwIfAborted();
  // The SDK listens to a signal and never stops; a turn's signal is given to many calls.
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  request.signal.addEventListener('abort', abort, { once: true });
  try {
    return await exchange(client, request, dialect, controller.signal);
  } finally {
    request.signal.removeEventListener('abort', abort);
  }
}

async function exchange(
  client: OpenAI,
  request: ModelRequest,
  dialect: Dialect,
  signal: AbortSignal,
): Promise<ModelReply> {
  const names = toolNames(namesIn(request));
  const body = toBody(request, dialect, names);
  const builder = new ReplyBuilder({
    model: request.model,
    requestCharacters: JSON.stringify(body.messages).length,
    callPrefix: `call_${request.messages.length}`,
    onText: request.onText,
  });
  const response = await client.chat.completions.create(body, { signal }).asResponse();
  if (response.headers.get('content-type')?.includes('json')) {
    builder.add(checked(await response.json(), response.headers));
  } else {
    for await (const chunk of readEvents(response)) builder.add(chunk);
  }
  request.signal.throwIfAborted();
  const reply = builder.finish();
  return { ...reply, toolCalls: reply.toolCalls.map((call) => ({ ...call, name: names.fromWire(call.name) })) };
}

/** Of tools on offer, and of those that were called in the conversation. */
function namesIn({ tools = [], messages }: ModelRequest): string[] {
  const calls = messages.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : []));
  return [...tools, ...calls].map(({ name }) => name);
}

function toBody(request: ModelRequest, dialect: Dialect, names: ToolNames): Body {
  const { model, output, tools, temperature, maxOutputTokens } = request;
  const inPrompt = output !== undefined && dialect.output === 'json_object';
  const system = inPrompt ? `${request.system}\n\n${schemaPrompt(output.schema)}`.trim() : request.system;
  return {
    model,
    stream: true,
    messages: [
      ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
      ...request.messages.map((message) => toWireMessage(message, names)),
    ],
    ...(dialect.countsTokens ? { stream_options: { include_usage: true } } : {}),
    // An empty list of tools is refused by OpenAI.
    ...(tools && tools.length > 0
      ? {
          tools: tools.map((tool) => ({
            type: 'function' as const,
            function: { ...tool, name: names.toWire(tool.name) },
          })),
        }
      : {}),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxOutputTokens === undefined ? {} : { [dialect.limit]: maxOutputTokens }),
    ...(output === undefined
      ? {}
      : { response_format: inPrompt ? { type: 'json_object' as const } : jsonSchema(output) }),
  };
}

function jsonSchema({ name, schema }: NonNullable<ModelRequest['output']>): OpenAI.ResponseFormatJSONSchema {
  return { type: 'json_schema', json_schema: { name, schema, strict: allowsStrict(schema) } };
}

function schemaPrompt(schema: Record<string, unknown>): string {
  return `Answer with one JSON object and nothing else. It must match this JSON schema:\n${JSON.stringify(schema)}`;
}

function toWireMessage(message: Message, names: ToolNames): OpenAI.ChatCompletionMessageParam {
  switch (message.role) {
    case 'user':
      return { role: 'user', content: message.text };
    case 'tool':
      return { role: 'tool', tool_call_id: message.toolCallId, content: message.text };
    case 'assistant': {
      if (!message.toolCalls?.length) return { role: 'assistant', content: message.text };
      return {
        role: 'assistant',
        content: message.text || null,
        tool_calls: message.toolCalls.map(({ id, name, arguments: text }) => ({
          id,
          type: 'function',
          function: { name: names.toWire(name), arguments: text },
        })),
      };
    }
  }
}
