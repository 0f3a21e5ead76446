/**
 * The offline model behind the HTTP API of a real one, so that the worker speaks to both in the same way. It keeps
 * nothing between requests.
 */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import { beginningOf } from '../../src/contracts/text-cut.ts';
import { ChatRequest, type ChatReply } from './chat.ts';
import { replyTo } from './model.ts';

export interface OfflineModel {
  /** Ends with `/v1`. */
  readonly baseUrl: string;
  /** Stops listening and drops every connection. */
  close(): Promise<void>;
}

const MODEL = 'offline';
const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const CHARACTERS_PER_TOKEN = 4;

/** Listens on a free port of 127.0.0.1. */
export async function startOfflineModel(): Promise<OfflineModel> {
  const { fetch } = offlineApp();
  const server = createAdaptorServer({ fetch }) as Server; // HTTP/2 needs an option that is not given
  // A client may keep an idle connection: both ends are on this machine.
  server.keepAliveTimeout = 0;
  await once(server.listen(0, HOST), 'listening');
  const { port } = server.address() as AddressInfo; // the server listens on a port
  return {
    baseUrl: `http://${HOST}:${port}/v1`,
    close: async () => {
      const closed = once(server.close(), 'close');
      server.closeAllConnections();
      await closed;
    },
  };
}

function offlineApp(): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES, onError: (c) => c.json(errorBody('The body is too large.'), 413) }));
  app.get('/v1/models', (c) => c.json({ object: 'list', data: [{ id: MODEL, object: 'model', created: 0 }] }));
  app.post('/v1/chat/completions', async (c) => {
    const body: unknown = await c.req.json().catch(() => undefined);
    const { data: chat, error } = ChatRequest.safeParse(body);
    if (!chat) {
      const [issue] = error.issues;
      return c.json(errorBody(`Invalid value for '${issue?.path.join('.') || 'body'}': ${issue?.message}.`), 400);
    }
    const completion = complete(chat, replyTo(chat));
    if (!chat.stream) return c.json(await wholeCompletion(completion));
    return streamSSE(c, async (stream) => {
      for await (const chunk of completionChunks(completion)) {
        if (stream.aborted) return;
        await stream.writeSSE({ data: chunk });
      }
    });
  });
  app.notFound((c) => c.json(errorBody(`Invalid URL (${c.req.method} ${c.req.path})`), 404));
  app.onError((error, c) => c.json(errorBody(String(error), 'server_error'), 500));
  return app;
}

function errorBody(message: string, type = 'invalid_request_error'): object {
  return { error: { message, type, param: null, code: null } };
}

interface Completion {
  readonly chat: ChatRequest;
  /** Each with the white space before it. */
  readonly words: readonly string[];
  readonly toolCalls: readonly { id: string; type: 'function'; function: { name: string; arguments: string } }[];
  readonly finish: 'stop' | 'tool_calls' | 'length';
  readonly usage: Readonly<Record<string, number>>;
  readonly wordDelayMs: number;
}

function complete(chat: ChatRequest, reply: ChatReply): Completion {
  const limit = (chat.max_completion_tokens ?? chat.max_tokens ?? Number.POSITIVE_INFINITY) * CHARACTERS_PER_TOKEN;
  const toolCalls = reply.calls.map(({ tool, args }, index) => ({
    // The same call has the same id if it is asked for again.
    id: `call_${chat.messages.length}_${index}`,
    type: 'function' as const,
    function: { name: tool, arguments: JSON.stringify(args) },
  }));
  const text = beginningOf(reply.text, limit);
  const asked = JSON.stringify(chat.messages, (key, value: unknown) => (key === 'image_url' ? undefined : value));
  const [prompt, completion] = [asked, text + JSON.stringify(toolCalls)].map((part) =>
    Math.ceil(part.length / CHARACTERS_PER_TOKEN),
  ) as [number, number];
  return {
    chat,
    words: text.match(/\s*\S+|\s+$/g) ?? [],
    toolCalls,
    finish: reply.text.length > limit ? 'length' : toolCalls.length > 0 ? 'tool_calls' : 'stop',
    usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    wordDelayMs: reply.wordDelayMs,
  };
}

function frame({ chat }: Completion, object: string, rest: object): object {
  const created = Math.floor(Date.now() / 1000);
  return { id: `chatcmpl-${chat.messages.length}`, object, created, model: MODEL, ...rest };
}

async function wholeCompletion(completion: Completion): Promise<object> {
  const { words, toolCalls, finish, usage, wordDelayMs } = completion;
  await sleep(words.length * wordDelayMs);
  const called = toolCalls.length === 0 ? {} : { tool_calls: toolCalls };
  const message = { role: 'assistant', content: words.join(''), ...called };
  return frame(completion, 'chat.completion', { choices: [{ index: 0, message, finish_reason: finish }], usage });
}

async function* completionChunks(completion: Completion): AsyncGenerator<string> {
  const chunk = (rest: object): string => JSON.stringify(frame(completion, 'chat.completion.chunk', rest));
  const delta = (part: object, reason: string | null = null): string =>
    chunk({ choices: [{ index: 0, delta: part, finish_reason: reason }] });
  const { chat, words, toolCalls, finish, usage, wordDelayMs } = completion;
  yield delta({ role: 'assistant', content: '' });
  for (const word of words) {
    if (wordDelayMs > 0) await sleep(wordDelayMs);
    yield delta({ content: word });
  }
  for (const [index, call] of toolCalls.entries()) yield delta({ tool_calls: [{ index, ...call }] });
  yield delta({}, finish);
  if (chat.stream_options?.include_usage) yield chunk({ choices: [], usage });
  yield '[DONE]';
}
