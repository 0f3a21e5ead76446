/**
 * Chat completions, for programs that know no other API. They send the whole conversation with each request: the session
 * whose conversation is exactly that goes on, and if there is none, one begins that knows it.
 */
import { createHash } from 'node:crypto';
import type { SSEStreamingApi } from 'hono/streaming';
import type { z } from 'zod';
import { type CopilotClient, CopilotError, type Message, type SessionHandle, type TurnView } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { MessageText } from '../../contracts/session.ts';
import { imagesOf } from '../../contracts/transcript.ts';
import { givenMessageId, type ProtocolCall, streamTo } from '../call.ts';
import { CHAT_PREFIX } from '../chats/chat-session.ts';
import { keptOf, storeFiles } from '../files/given-file.ts';
import { append } from './conversations.ts';
import { type CreateChat, readInput, refuseFormat, refuseTools, asSaid, type Said, sentAtOnce } from './input.ts';
import type { Principal } from '../principals/principal.ts';
import { teamOf } from './responses.ts';

type ChatRequest = z.infer<typeof CreateChat>;

/** Conversations of one person that begin with the same words, and are told apart by what follows. */
const MAX_ALIKE = 20;

export async function answerChat(call: ProtocolCall, request: ChatRequest): Promise<Response> {
  refuseTools(request.tools);
  refuseFormat(request.response_format, 'response_format');
  if ((request.n ?? 1) !== 1) {
    throw new CopilotError('InvalidInput', { what: 'n', problem: 'a turn has one answer; leave this out' });
  }
  const { messages } = readInput(request.messages, 'messages');
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  const before = asSaid(messages.slice(0, lastAnswer + 1));
  const { text, files } = sentAtOnce(messages.slice(lastAnswer + 1));
  if (text === '' && files.length === 0)
    throw new CopilotError('InvalidInput', { what: 'messages', problem: 'the last one is not of the user' });
  if (text !== '') checkInput(MessageText, text, 'messages');
  const messageId = givenMessageId(call.context);
  const session = await sessionWith(call, teamOf(request.model), before, text);
  await call.admit(session);
  const stored = await storeFiles(session, files, call.signal);
  const events = session.stream(text, { signal: call.signal, messageId, files: stored });
  const head = {
    id: `chatcmpl-${session.id}`,
    created: Math.floor(Date.now() / 1_000),
    model: request.model ?? 'default',
  };
  if (request.stream === true) return streamChat(call, request, head, events);
  const turn = await events.result();
  const message = { role: 'assistant', content: replyOf(turn), refusal: null };
  return call.context.json({
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
    usage: usageOf(turn),
  });
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
  events: ReturnType<SessionHandle['stream']>,
): Response {
  const write = async (sse: SSEStreamingApi): Promise<void> => {
    const send = async (delta: object, finish_reason: string | null = null, usage?: object): Promise<void> => {
      const choices = usage ? [] : [{ index: 0, delta, finish_reason, logprobs: null }];
      const chunk = { ...head, object: 'chat.completion.chunk', choices, ...(usage ? { usage } : {}) };
      await sse.writeSSE({ data: JSON.stringify(chunk) });
    };
    await send({ role: 'assistant', content: '' });
    let sent = '';
    // This API cannot take words back. A text that starts over comes at its end.
    let isHeld = false;
    for await (const event of events) {
      if (event.type === 'reset') isHeld = true;
      else if (event.type === 'model-started' && event.step === undefined && /[^\n]$/.test(sent) && !isHeld)
        sent += await say(send, '\n\n');
      else if (event.type === 'token' && event.step === undefined && !isHeld) sent += await say(send, event.text);
    }
    const turn = await events.result();
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

/** The session whose conversation is exactly this; else a new one that knows it. */
async function sessionWith(
  { client, principal, signal }: ProtocolCall,
  team: string,
  before: readonly Said[],
  firstWords: string,
): Promise<SessionHandle> {
  const subject = JSON.stringify([principal.name, team, before[0]?.text ?? firstWords]);
  const begin = createHash('sha256').update(subject).digest('hex').slice(0, 24);
  for (let number = 0; number < MAX_ALIKE; number++) {
    const session = client.session(`${CHAT_PREFIX}${begin}_${number}`);
    const isFree = !(await exists(session, signal));
    if (isFree) return await begun(client, { id: session.id, team, user: principal.name }, before, signal);
    if (before.length > 0 && (await isOf(session, principal, before, signal))) return session;
  }
  return await begun(client, { team, user: principal.name }, before, signal);
}

async function exists(session: SessionHandle, signal: AbortSignal): Promise<boolean> {
  try {
    await session.describe({ signal });
    return true;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return false;
    throw error;
  }
}

async function begun(
  client: CopilotClient,
  options: { readonly id?: string; readonly team: string; readonly user: string },
  before: readonly Said[],
  signal: AbortSignal,
): Promise<SessionHandle> {
  const session = await client.create(options);
  if (before.length > 0) await append(session, before, signal);
  return session;
}

/** Whether a session of this person can go on from these messages. */
async function isOf(
  session: SessionHandle,
  { name }: Principal,
  before: readonly Said[],
  signal: AbortSignal,
): Promise<boolean> {
  const { isClosed, user } = await session.describe({ signal });
  // Anybody could have begun a session of this id.
  if (isClosed || user !== name) return false;
  const { messages } = await session.transcript({ all: true, signal });
  const said = messages.filter(({ role }) => role !== 'tool');
  return said.length === before.length && before.every((message, index) => isSame(message, said[index]));
}

function isSame({ role, text, files }: Said, kept: Message | undefined): boolean {
  if (kept?.role !== role) return false;
  const shown = keptOf(text, files);
  const digests = [shown.images, imagesOf(kept)].map((images) => images.map(({ digest }) => digest).join());
  return kept.text.trim() === shown.text.trim() && digests[0] === digests[1];
}
