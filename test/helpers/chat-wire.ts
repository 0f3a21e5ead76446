/**
 * The chat completions API as a server speaks it: requests are checked as the real one checks them, replies go out
 * streamed or plain. https://platform.openai.com/docs/api-reference/chat
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const ToolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'use letters, digits, "_" and "-", 64 at most');
const WireCall = z.object({
  id: z.string().min(1),
  type: z.literal('function'),
  function: z.object({ name: ToolName, arguments: z.string() }),
});
const TextPart = z.object({ type: z.literal('text'), text: z.string() });
const Text = z.union([z.string(), z.array(TextPart).min(1)]);
const ImagePart = z.object({
  type: z.literal('image_url'),
  image_url: z.object({ url: z.string().regex(/^(data:image|http)/) }),
});
const Content = z.union([z.string(), z.array(z.discriminatedUnion('type', [TextPart, ImagePart])).min(1)]);

const WireMessage = z.discriminatedUnion('role', [
  z.object({ role: z.enum(['system', 'developer']), content: Text }),
  z.object({ role: z.literal('user'), content: Content }),
  z
    .object({ role: z.literal('assistant'), content: Text.nullish(), tool_calls: z.array(WireCall).min(1).optional() })
    .refine((message) => message.content != null || message.tool_calls, 'needs content or tool_calls'),
  z.object({ role: z.literal('tool'), tool_call_id: z.string(), content: Text }),
]);
type WireMessage = z.infer<typeof WireMessage>;

const WireTool = z.object({
  type: z.literal('function'),
  function: z.object({
    name: ToolName,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
    strict: z.boolean().nullish(),
  }),
});

const ResponseFormat = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({
    type: z.literal('json_schema'),
    json_schema: z.object({
      name: ToolName,
      description: z.string().optional(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  }),
]);

/** Body of `POST /v1/chat/completions`. Unknown parameters are refused, as the real API does. */
export const ChatRequest = z
  .strictObject({
    model: z.string().min(1),
    messages: z.array(WireMessage).min(1),
    stream: z.boolean().nullish(),
    stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
    tools: z.array(WireTool).min(1).max(128).optional(),
    tool_choice: z.unknown().optional(),
    parallel_tool_calls: z.boolean().optional(),
    response_format: ResponseFormat.optional(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    max_tokens: z.int().min(1).nullish(),
    max_completion_tokens: z.int().min(1).nullish(),
    n: z.literal(1).nullish(),
    stop: z.unknown().optional(),
    seed: z.int().nullish(),
    user: z.string().optional(),
    metadata: z.record(z.string(), z.string()).nullish(),
  })
  .superRefine((request, context) => {
    const problem = threadProblem(request.messages) ?? formatProblem(request.messages, request.response_format?.type);
    if (problem) context.addIssue({ code: 'custom', message: problem, path: ['messages'] });
  });
export type ChatRequest = z.infer<typeof ChatRequest>;

export interface WireToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON text. */
  readonly arguments: string;
}

/** What a server answers. */
export interface WireReply {
  readonly text: string;
  readonly toolCalls: readonly WireToolCall[];
  /** Pause before each word, in milliseconds. */
  readonly wordDelayMs?: number;
  /** Name of the model in the answer. */
  readonly model: string;
  readonly finish?: 'stop' | 'tool_calls' | 'length' | 'content_filter';
  /** Leaves the token counts out, as some servers do. */
  readonly withoutUsage?: boolean;
  /** Closes the connection after so many words. */
  readonly hangUpAfterWords?: number;
  /** Sends one chunk of broken JSON after so many words. */
  readonly malformedAfterWords?: number;
}

/** An answer other than 200, in OpenAI's error shape. */
export class WireError extends Error {
  readonly status: number;
  readonly body: { readonly error: { message: string; type: string; param: string | null; code: string | null } };

  constructor(
    status: number,
    message: string,
    {
      param = null,
      code = null,
      type = 'invalid_request_error',
    }: {
      param?: string | null;
      code?: string | null;
      type?: string;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.body = { error: { message, type, param, code } };
  }
}

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/** @throws WireError 413 where the body is above 32 MiB, 400 where it is not JSON */
export async function readJsonBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new WireError(413, `The body is larger than ${MAX_BODY_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new WireError(400, 'We could not parse the JSON body of your request.');
  }
}

/** @throws WireError 400 that names the parameter */
export function parseChatRequest(body: unknown): ChatRequest {
  const parsed = ChatRequest.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  if (unknown !== undefined) {
    throw new WireError(400, `Unrecognized request argument supplied: ${unknown}`, { param: unknown });
  }
  const param = issue?.path.join('.') || null;
  throw new WireError(400, `Invalid value for '${param ?? 'body'}': ${issue?.message ?? 'not valid'}.`, {
    param,
    code: 'invalid_value',
  });
}

/** The text of a message, whichever way it is written. */
export function textOf(message: WireMessage): string {
  const { content } = message;
  if (typeof content === 'string') return content;
  return content?.map((part) => ('text' in part ? part.text : '')).join('') ?? '';
}

/** Sends a reply as the request asks for it. Ends early, without a word, when the client has gone. */
export async function sendReply(response: ServerResponse, request: ChatRequest, reply: WireReply): Promise<void> {
  const frame = {
    id: `chatcmpl-${request.messages.length}`,
    created: Math.floor(Date.now() / 1000),
    model: reply.model,
  };
  const usage = reply.withoutUsage ? undefined : usageOf(request, reply);
  const finish = reply.finish ?? (reply.toolCalls.length > 0 ? 'tool_calls' : 'stop');
  if (request.stream) await streamReply(response, { request, reply, frame, usage, finish });
  else {
    const message = {
      role: 'assistant',
      content: reply.text === '' && reply.toolCalls.length > 0 ? null : reply.text,
      ...(reply.toolCalls.length > 0 ? { tool_calls: reply.toolCalls.map(toWireCall) } : {}),
    };
    await pause(response, wordsOf(reply.text).length * (reply.wordDelayMs ?? 0));
    sendJson(response, 200, {
      ...frame,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: finish }],
      ...(usage ? { usage } : {}),
    });
  }
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

interface Streamed {
  readonly request: ChatRequest;
  readonly reply: WireReply;
  readonly frame: Record<string, unknown>;
  readonly usage: Record<string, number> | undefined;
  readonly finish: string;
}

async function streamReply(
  response: ServerResponse,
  { request, reply, frame, usage, finish }: Streamed,
): Promise<void> {
  const send = (part: Record<string, unknown>): void => {
    if (!response.destroyed)
      response.write(`data: ${JSON.stringify({ ...frame, object: 'chat.completion.chunk', ...part })}\n\n`);
  };
  const sendDelta = (delta: Record<string, unknown>, reason: string | null = null): void => {
    send({ choices: [{ index: 0, delta, finish_reason: reason }] });
  };
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' });
  sendDelta({ role: 'assistant', content: '' });
  for (const [position, word] of wordsOf(reply.text).entries()) {
    if (reply.wordDelayMs) await pause(response, reply.wordDelayMs);
    if (response.destroyed) return;
    if (position === reply.hangUpAfterWords) return hangUp(response);
    if (position === reply.malformedAfterWords) response.write('data: {"choices": [{"delta": {"content": "bro\n\n');
    sendDelta({ content: word });
  }
  if (reply.hangUpAfterWords !== undefined) return hangUp(response);
  for (const [index, call] of reply.toolCalls.entries()) {
    sendDelta({ tool_calls: [{ index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } }] });
    for (const piece of call.arguments.match(/[^]{1,64}/g) ?? []) {
      sendDelta({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
  }
  sendDelta({}, finish);
  if (usage && request.stream_options?.include_usage) send({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

/** What was written reaches the client first, then the connection breaks. */
function hangUp(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.write(': \n\n', () => {
      response.destroy();
      resolve();
    });
  });
}

/** Waits, but no longer than the client stays. */
export async function pause(response: ServerResponse, delayMs: number): Promise<void> {
  if (delayMs <= 0 || response.destroyed) return;
  const gone = new AbortController();
  const leave = (): void => gone.abort();
  response.once('close', leave);
  await sleep(delayMs, undefined, { signal: gone.signal }).catch(() => undefined);
  response.off('close', leave);
}

/** Words with the white space before them, so that joined they are the text again. */
function wordsOf(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

function toWireCall(call: WireToolCall): Record<string, unknown> {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.arguments } };
}

function usageOf(request: ChatRequest, reply: WireReply): Record<string, number> {
  const written =
    reply.text.length + reply.toolCalls.reduce((sum, call) => sum + call.name.length + call.arguments.length, 0);
  const prompt = Math.ceil(JSON.stringify(request.messages).length / 4);
  const completion = Math.ceil(written / 4);
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** Every tool call is answered right behind it, and only calls are answered. */
function threadProblem(messages: readonly WireMessage[]): string | undefined {
  let open = new Set<string>();
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id)) {
        return `messages with role 'tool' must be a response to a preceding message with 'tool_calls' (${message.tool_call_id})`;
      }
      continue;
    }
    if (open.size > 0) break;
    if (message.role === 'assistant') open = new Set(message.tool_calls?.map((call) => call.id));
  }
  if (open.size === 0) return undefined;
  const missing = [...open].join(', ');
  return `an assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id' (missing: ${missing})`;
}

function formatProblem(messages: readonly WireMessage[], format: string | undefined): string | undefined {
  if (format !== 'json_object' || messages.some((message) => /json/i.test(textOf(message)))) return undefined;
  return "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'";
}
