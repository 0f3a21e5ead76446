/**
 * The one model of the tests: an HTTP server with the API of OpenAI's chat completions, whose replies, delays and
 * failures the test scripts. A call that nobody scripted and a step that nobody used fail the test.
 *
 *     const server = await startModelServer();
 *     server.script({ text: 'hello' }, { status: 429, headers: { 'retry-after': '2' } });
 *     …
 *     await server.close();
 */
import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { startChatServer, type ChatExchange } from './chat-server.ts';
import { parseChatRequest, pause, sendJson, sendReply, WireError, type ChatRequest } from './chat-wire.ts';

/** One reply of the script. All fields are optional: `{}` is an empty text. */
export interface ScriptedReply {
  readonly text?: string;
  /** Name of the model in the answer. Default `scripted`. */
  readonly model?: string;
  /** `arguments` may be an object, which is sent as JSON; a call without an id gets one. */
  readonly toolCalls?: readonly { readonly id?: string; readonly name: string; readonly arguments: unknown }[];
  /** Sent as the text, for structured output. */
  readonly json?: unknown;
  readonly finish?: 'stop' | 'tool_calls' | 'length' | 'content_filter';
  /** Pause before the first byte. */
  readonly delayMs?: number;
  /** The first byte comes after this. */
  readonly after?: Promise<unknown>;
  readonly wordDelayMs?: number;
  /** A status other than 200 sends `error` as the body. Default 200. */
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly error?: { readonly message?: string; readonly code?: string; readonly type?: string };
  /** The whole body, sent with `status` and `headers`, to play servers with another form. */
  readonly raw?: string;
  readonly hangUpAfterWords?: number;
  readonly malformedAfterWords?: number;
  /** Leaves the token counts out. */
  readonly withoutUsage?: boolean;
  /** Sends plain JSON, also to a client that asked for a stream. */
  readonly plain?: boolean;
}

export interface RecordedRequest {
  readonly body: ChatRequest;
  readonly headers: IncomingHttpHeaders;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Port of the client's end of the connection: equal ports mean the same connection. */
  readonly clientPort: number | undefined;
  /** Whether the client closed the connection before it had the whole answer. */
  closedByClient: boolean;
  /** Resolves when the answer has ended or the connection is gone. */
  readonly ended: Promise<void>;
}

/** Gives undefined for a call that it has no answer to: nobody scripted that one. */
export type Responder = (request: ChatRequest) => ScriptedReply | undefined;

export interface ModelServerOptions {
  /** Whether to keep the calls. Default true; sessions of thousands of turns would fill the memory with them. */
  readonly keepsRequests?: boolean;
  /** Default: a free one. */
  readonly port?: number | undefined;
}

export interface ModelServer {
  readonly baseUrl: string;
  readonly port: number;
  /** Every call so far, failed ones as well. */
  readonly requests: readonly RecordedRequest[];
  /** Adds replies, used once each and in order. */
  script(...steps: ScriptedReply[]): void;
  /** Answers the calls that are left when every step of the script is used. */
  respond(responder: Responder): void;
  /** @throws AssertionError once for steps that were not used, and for calls that nobody scripted */
  assertDone(): void;
  /** @throws AssertionError as `assertDone` does */
  close(): Promise<void>;
}

export async function startModelServer({ keepsRequests = true, port }: ModelServerOptions = {}): Promise<ModelServer> {
  const requests: RecordedRequest[] = [];
  const steps: ScriptedReply[] = [];
  const unscripted: string[] = [];
  let calls = 0;
  let responder: Responder | undefined;

  const onChat = async (exchange: ChatExchange): Promise<void> => {
    calls += 1;
    if (keepsRequests) requests.push(record(exchange));
    const chat = parseChatRequest(exchange.body);
    const scripted = steps.shift() ?? responder?.(chat);
    if (scripted) return sendScripted(exchange, chat, scripted);
    const last = JSON.stringify(chat.messages.at(-1)).slice(0, 300);
    unscripted.push(`call ${calls}: ${last}`);
    throw new WireError(500, `No reply is scripted for call ${calls}, whose last message is ${last}`, {
      type: 'server_error',
    });
  };
  const server = await startChatServer({ model: 'scripted', onChat, port });

  const assertDone = (): void => {
    const [surprises, unused] = [unscripted.splice(0), steps.splice(0)];
    assert.deepEqual(surprises, [], 'the model was called without a scripted reply');
    assert.deepEqual(unused, [], 'scripted replies were not used');
  };
  return {
    baseUrl: server.baseUrl,
    port: server.port,
    requests,
    script: (...added) => void steps.push(...added),
    respond: (given) => void (responder = given),
    assertDone,
    close: async () => {
      await server.close();
      assertDone();
    },
  };
}

function record({ body, request, response }: ChatExchange): RecordedRequest {
  let settle: () => void = () => undefined;
  const recorded: RecordedRequest = {
    body: body as ChatRequest, // The caller checks it next; the record has bad ones, too.
    headers: request.headers,
    startedAt: Date.now(),
    clientPort: request.socket.remotePort,
    closedByClient: false,
    ended: new Promise((resolve) => (settle = resolve)),
  };
  response.once('close', () => {
    // A scripted hang-up ends the response early too.
    recorded.closedByClient = !response.writableFinished && !hungUp.has(response);
    settle();
  });
  return recorded;
}

/** Responses that the script itself cuts off. */
const hungUp = new WeakSet<object>();

async function sendScripted({ response }: ChatExchange, chat: ChatRequest, reply: ScriptedReply): Promise<void> {
  await pause(response, reply.delayMs ?? 0);
  await reply.after;
  if (response.destroyed) return;
  const { status = 200, headers = {} } = reply;
  if (reply.raw !== undefined) {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(reply.raw);
    return;
  }
  if (status !== 200) {
    const { message = `scripted ${status}`, code = null, type = 'scripted_error' } = reply.error ?? {};
    sendJson(response, status, { error: { message, code, type, param: null } }, headers);
    return;
  }
  if (reply.hangUpAfterWords !== undefined) hungUp.add(response);
  const { text, json, toolCalls = [] } = reply;
  const position = chat.messages.length;
  await sendReply(response, reply.plain ? { ...chat, stream: false } : chat, {
    ...reply,
    model: reply.model ?? 'scripted',
    text: text ?? (json === undefined ? '' : JSON.stringify(json)),
    toolCalls: toolCalls.map(({ id, name, arguments: given }, index) => ({
      id: id ?? `call_${position}_${index}`,
      name,
      arguments: typeof given === 'string' ? given : JSON.stringify(given),
    })),
  });
}
