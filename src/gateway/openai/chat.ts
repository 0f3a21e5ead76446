/**
 * Chat completions, for programs that know no other API. They send the whole conversation with each request: the session
 * whose conversation is exactly that goes on, and if there is none, one begins that knows it.
 */
import type { SSEStreamingApi } from 'hono/streaming';
import type { z } from 'zod';
import { CopilotError, type SessionHandle, type TurnView } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { MessageText } from '../../contracts/session.ts';
import { givenMessageId, type ProtocolCall, streamTo } from '../call.ts';
import { turnEvents, type TurnPart } from '../chats/turn-events.ts';
import { storeFiles } from '../files/given-file.ts';
import { type SentConversation, sessionWith } from './conversation-match.ts';
import { asSaid, type CreateChat, readInput, refuseFormat, refuseTools, sentAtOnce } from './input.ts';
import { isBehind, partOfMessage } from './response-turn.ts';
import { teamOf } from './responses.ts';

type ChatRequest = z.infer<typeof CreateChat>;

export async function answerChat(call: ProtocolCall, request: ChatRequest): Promise<Response> {
  refuseTools(request.tools);
  refuseFormat(request.response_format, 'response_format');
  if ((request.n ?? 1) !== 1) {
    throw new CopilotError('InvalidInput', { what: 'n', problem: 'a turn has one answer; leave this out' });
  }
  const { messages } = readInput(request.messages, 'messages');
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  const before = asSaid(messages.slice(0, lastAnswer + 1));
  const now = sentAtOnce(messages.slice(lastAnswer + 1));
  const { text, files } = now;
  if (text === '' && files.length === 0)
    throw new CopilotError('InvalidInput', { what: 'messages', problem: 'the last one is not of the user' });
  if (text !== '') checkInput(MessageText, text, 'messages');
  const { signal } = call;
  const messageId = givenMessageId(call.context);
  // Before anything is sent whose stream would be refused.
  if (request.stream === true) call.place.take();
  const { session, part } = await deliver(call, { team: teamOf(request.model), before, now, messageId });
  const head = {
    id: `chatcmpl-${session.id}`,
    created: Math.floor(Date.now() / 1_000),
    model: request.model ?? 'default',
  };
  if (request.stream === true) return streamChat(call, request, head, (left) => turnEvents(session, part, left));
  const turn = await session.awaitTurn(part.turnId, { signal });
  const message = { role: 'assistant', content: replyOf(turn), refusal: null };
  return call.context.json({
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
    usage: usageOf(turn),
  });
}

/** Sends the message to the session of its conversation. */
async function deliver(
  call: ProtocolCall,
  sent: SentConversation,
): Promise<{ readonly session: SessionHandle; readonly part: TurnPart }> {
  const { signal } = call;
  const { messageId, now } = sent;
  const session = await sessionWith(call, sent);
  await call.admit(session);
  const files = await storeFiles(session, now.files, signal);
  const from = await session.position({ signal });
  const turn = await session.send(now.text, { signal, messageId, files, wait: false });
  // Another message has gone on with the same conversation meanwhile: that is another one.
  const isLate = isBehind(await session.turns({ signal }), turn);
  if (isLate && (await session.unqueue(turn.messageId, { signal })).changed) return await deliver(call, sent);
  return { session, part: await partOfMessage(session, turn, { messageId, text: now.text, from }, signal) };
}

/** What people are told if no text was written. */
function replyOf({ reply, questions, requests = [], error }: TurnView): string {
  if (reply !== '') return reply;
  if (error !== undefined) throw new CopilotError('Internal', { problem: `${error.type}: ${error.message}` });
  if (questions.length > 0) return questions.join('\n');
  return requests.map(({ id, question }) => `${question}\n\nThis waits for a decision on ${id}.`).join('\n\n');
}

function usageOf({ usage: { inputTokens, outputTokens } }: TurnView): object {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}

function streamChat(
  call: ProtocolCall,
  { stream_options: options }: ChatRequest,
  head: object,
  eventsOf: (left: AbortSignal) => ReturnType<typeof turnEvents>,
): Response {
  const write = async (sse: SSEStreamingApi, left: AbortSignal): Promise<void> => {
    const send = async (delta: object, finish_reason: string | null = null, usage?: object): Promise<void> => {
      const choices = usage ? [] : [{ index: 0, delta, finish_reason, logprobs: null }];
      const chunk = { ...head, object: 'chat.completion.chunk', choices, ...(usage ? { usage } : {}) };
      await sse.writeSSE({ data: JSON.stringify(chunk) });
    };
    await send({ role: 'assistant', content: '' });
    let sent = '';
    // This API cannot take words back. A text that starts over comes at its end.
    let isHeld = false;
    const events = eventsOf(left);
    let next = await events.next();
    for (; next.done !== true; next = await events.next()) {
      const event = next.value;
      if (event.type === 'reset') isHeld = true;
      else if (event.type === 'model-started' && event.step === undefined && /[^\n]$/.test(sent) && !isHeld)
        sent += await say(send, '\n\n');
      else if (event.type === 'token' && event.step === undefined && !isHeld) sent += await say(send, event.text);
    }
    // The caller has left.
    if (next.value === undefined) return;
    const { turn } = next.value;
    const reply = replyOf(turn);
    if (!sent.endsWith(reply)) await say(send, reply.startsWith(sent) ? reply.slice(sent.length) : `\n\n${reply}`);
    await send({}, 'stop');
    if (options?.include_usage === true) await send({}, null, usageOf(turn));
    await sse.writeSSE({ data: '[DONE]' });
  };
  return streamTo(call, write, ({ type, detail }) => ({
    error: { type: 'server_error', code: type, message: detail },
  }));
}

async function say(send: (delta: object) => Promise<void>, content: string): Promise<string> {
  await send({ content });
  return content;
}
