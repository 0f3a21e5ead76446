/** The OpenAI API over sessions: a conversation is a session, a response is a turn. */
import { Hono } from 'hono';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { Logger } from 'pino';
import { z } from 'zod';
import { checkInput } from '../../client/checked-input.ts';
import { problemHeaders, problemOf } from '../problem.ts';
import { answerChat } from './chat.ts';
import { addressOf, conversationRoutes, inputContent } from './conversations.ts';
import { parseResponseId } from './ids.ts';
import { CreateChat, CreateResponse } from './input.ts';
import { bodyOf, givenMessageId, handler, type HandlerParts, type ProtocolCall, streamTo } from '../call.ts';
import { beginResponse, headOf, readResponse, streamResponse } from './responses.ts';
import { after } from './resumed-stream.ts';
import { turnOf } from './response-turn.ts';

export function openAiApp(parts: HandlerParts): Hono {
  const app = new Hono();
  const handle = handler(parts);
  app.get(
    '/models',
    handle(async ({ context }) => Promise.resolve(context.json({ object: 'list', data: [model('default')] }))),
  );
  app.get(
    '/models/:id',
    handle(async ({ context }) => Promise.resolve(context.json(model(context.req.param('id') ?? '')))),
  );
  app.post('/responses', handle(createResponse));
  app.get('/responses/:id', handle(getResponse));
  app.post('/responses/:id/cancel', handle(cancelResponse));
  app.get('/responses/:id/input_items', handle(listInput));
  app.post(
    '/chat/completions',
    handle(async (call) => answerChat(call, checkInput(CreateChat, await bodyOf(call.context), ''))),
  );
  conversationRoutes(app, handle);
  return app;
}

const model = (id: string): object => ({ id, object: 'model', created: 0, owned_by: 'copilot' });

async function createResponse(call: ProtocolCall): Promise<Response> {
  const { context, signal } = call;
  const request = checkInput(CreateResponse, await bodyOf(context), '');
  // Before anything is sent whose stream would be refused.
  if (request.stream === true) call.place.take();
  const { session, head } = await beginResponse(call, request, givenMessageId(context));
  if (request.stream === true) return stream(call, (left) => streamResponse(session, head, left));
  if (request.background === true) {
    const response = await readResponse(session, head, signal);
    return context.json({ ...response, background: true, model: head.model, metadata: head.metadata });
  }
  const events = streamResponse(session, head, signal);
  for (;;) {
    const { done, value } = await events.next();
    if (done === true) return context.json(value);
  }
}

const GetQuery = z.looseObject({
  stream: z.enum(['true', 'false']).optional(),
  starting_after: z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number)
    .optional(),
});

async function getResponse(call: ProtocolCall): Promise<Response> {
  const { context, signal, find } = call;
  const ref = parseResponseId(context.req.param('id') ?? '');
  const query = checkInput(GetQuery, context.req.query(), 'query');
  const session = await find(ref.sessionId, 'read');
  if (query.stream !== 'true') return context.json(await readResponse(session, ref, signal));
  await turnOf(session, ref, signal);
  const head = await headOf(session, ref, signal);
  return stream(call, (left) => after(query.starting_after ?? -1, streamResponse(session, head, left)));
}

async function cancelResponse({ context, signal, find }: ProtocolCall): Promise<Response> {
  const ref = parseResponseId(context.req.param('id') ?? '');
  const session = await find(ref.sessionId, 'write');
  const { kept: turn } = await turnOf(session, ref, signal);
  if (turn?.status === 'queued') {
    // The session forgets a message that is taken back.
    const response = await readResponse(session, ref, signal);
    await session.unqueue(turn.messageId, { signal });
    return context.json({ ...response, status: 'cancelled' });
  }
  if (turn !== undefined && turn.number > 0 && turn.endedAt === undefined) {
    await session.interrupt({ turnId: ref.turnId, reason: 'cancelled', signal });
    await session.awaitTurn(ref.turnId, { signal });
  }
  return context.json(await readResponse(session, ref, signal));
}

async function listInput({ context, signal, find }: ProtocolCall): Promise<Response> {
  const ref = parseResponseId(context.req.param('id') ?? '');
  const session = await find(ref.sessionId, 'read');
  await turnOf(session, ref, signal);
  const { messages } = await session.transcript({ all: true, signal });
  const data = messages
    .filter((message) => message.role === 'user')
    .filter(({ turnId }) => turnId === ref.turnId)
    .map((message, index) => ({
      id: `msg_${ref.turnId}_input_${index}`,
      type: 'message',
      role: 'user',
      status: 'completed',
      content: inputContent(message, addressOf(context, session)),
    }));
  return context.json({
    object: 'list',
    data,
    has_more: false,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
  });
}

function stream(call: ProtocolCall, events: (left: AbortSignal) => AsyncIterable<ResponseStreamEvent>): Response {
  return streamTo(
    call,
    async (sse, left) => {
      for await (const event of events(left)) await sse.writeSSE({ event: event.type, data: JSON.stringify(event) });
    },
    ({ type, detail }) => ({ type: 'error', code: type, message: detail, param: null }),
  );
}

/** An error in the form of this API. */
export function refuseAsOpenAi(error: unknown, log: Logger): Response {
  const problem = problemOf(error);
  const { type = 'server_error', status = 500, detail = 'The gateway failed at this request.' } = problem ?? {};
  if (status >= 500) log.error({ err: error }, 'request failed');
  const kind =
    status === 401
      ? 'authentication_error'
      : status === 429
        ? 'rate_limit_error'
        : status < 500
          ? 'invalid_request_error'
          : 'server_error';
  const body = { error: { message: detail, type: kind, param: null, code: type } };
  const headers = { 'content-type': 'application/json', ...problemHeaders(error, status) };
  return new Response(JSON.stringify(body), { status, headers });
}
