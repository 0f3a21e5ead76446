/** The stream protocol of the AI SDK's `useChat`: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol */
import type { Hono } from 'hono';
import type { SSEStreamingApi } from 'hono/streaming';
import type { UIMessageChunk } from 'ai';
import { z } from 'zod';
import {
  CopilotError,
  type FollowEvent,
  type PendingRequest,
  type SessionHandle,
  type TurnView,
} from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { parseJson } from '../../contracts/json.ts';
import { bodyOf, type Handle, type ProtocolCall, streamTo } from '../call.ts';
import { readDataUrl } from '../files/given-file.ts';
import { type ChatMessage, findChat, mayBegin, openChat, sendFrom } from './chat-session.ts';
import { decideAllShown, shownId, turnEvents, type TurnPart } from './turn-events.ts';

const Part = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  url: z.string().optional(),
  mediaType: z.string().optional(),
  filename: z.string().optional(),
  state: z.string().optional(),
  approval: z
    .looseObject({ id: z.string(), approved: z.boolean().optional(), reason: z.string().optional() })
    .optional(),
});
const Message = z.looseObject({ id: z.string(), role: z.string(), parts: z.array(Part) });
const Chat = z.looseObject({
  id: z.string().min(1).max(500),
  messages: z.array(Message).min(1),
  /** A team. */
  model: z.string().optional(),
  trigger: z.string().optional(),
});
type Message = z.infer<typeof Message>;

export function aiSdkRoutes(app: Hono, handle: Handle): void {
  app.post('/ai-sdk/chat', handle(send));
  app.get('/ai-sdk/chat/:id/stream', handle(resume));
}

async function send(call: ProtocolCall): Promise<Response> {
  const { id, messages: all, model = 'default', trigger } = checkInput(Chat, await bodyOf(call.context), '');
  const { signal } = call;
  // Before anything is sent or decided whose stream would be refused.
  call.place.take();
  const last = all.at(-1);
  if (last?.role !== 'user') {
    const session = await findChat(call, id, 'decide');
    const from = await session.position({ signal });
    // What follows a decision belongs to the message that asked.
    return stream(call, session, { turnId: await decideAll(call, session, last), from }, last?.id);
  }
  const messages = all.slice(all.findLastIndex(({ role }) => role === 'assistant') + 1).map(readMessage);
  const session = await openChat(call, id, model);
  const from = await session.position({ signal });
  const part = await sendFrom(call, session, { messages, isAnew: trigger === 'regenerate-message' }, from);
  return stream(call, session, part, undefined);
}

/** @throws CopilotError `InvalidInput` */
function readMessage({ id, role, parts }: Message): ChatMessage {
  const strange = parts.find(({ type }) => type !== 'text' && type !== 'file');
  if (strange)
    throw new CopilotError('InvalidInput', {
      what: 'messages',
      problem: `a part is of type ${strange.type}; send text and files`,
    });
  const files = parts.flatMap(({ type, url = '', filename }, index) =>
    type === 'file' ? [readDataUrl(url, filename, `parts[${index}].url`)] : [],
  );
  const text = parts.flatMap((part) => (part.type === 'text' ? [part.text ?? ''] : [])).join('\n');
  return { id, role: role === 'user' ? role : 'system', text, files };
}

async function decideAll(call: ProtocolCall, session: SessionHandle, message: Message | undefined): Promise<string> {
  const waiting = new Set(
    (await session.requests({ signal: call.signal })).map(({ id, digest }) => shownId(id, digest)),
  );
  const decisions = (message?.parts ?? []).flatMap(({ state, approval }) => {
    if (state !== 'approval-responded' || approval === undefined || !waiting.has(approval.id)) return [];
    const { id, approved: isApproved = false, reason } = approval;
    return [{ id, isApproved, reason }];
  });
  if (decisions.length > 0) return await decideAllShown(call, session, decisions);
  const problem = 'the last one is neither of the user nor an answer to a request that waits';
  throw new CopilotError('InvalidInput', { what: 'messages', problem });
}

/** The running turn from its beginning, as the SDK's transport expects it. */
async function resume(call: ProtocolCall): Promise<Response> {
  const { context, signal } = call;
  const session = await findBegun(call, context.req.param('id') ?? '');
  if (session === undefined) return new Response(null, { status: 204 });
  const running = (await session.turns({ signal })).find(({ status }) => status === 'running' || status === 'queued');
  if (running === undefined) return new Response(null, { status: 204 });
  const from = await session.position({ withTurn: true, signal });
  return stream(call, session, { turnId: running.id, from }, undefined);
}

/** @returns undefined for a chat that has not begun: the SDK asks for those, too. @throws as {@link findChat} */
async function findBegun(call: ProtocolCall, chatId: string): Promise<SessionHandle | undefined> {
  try {
    return await findChat(call, chatId, 'read');
  } catch (error) {
    if (mayBegin(chatId, error)) return undefined;
    throw error;
  }
}

function stream(call: ProtocolCall, session: SessionHandle, part: TurnPart, messageId: string | undefined): Response {
  call.context.header('x-vercel-ai-ui-message-stream', 'v1');
  const tell = async (sse: SSEStreamingApi, left: AbortSignal): Promise<void> => {
    const write = async (chunks: readonly UIMessageChunk[]): Promise<void> => {
      for (const chunk of chunks) await sse.writeSSE({ data: JSON.stringify(chunk) });
    };
    const chunks = new Chunks();
    await write([{ type: 'start', messageId: messageId ?? part.turnId }, { type: 'start-step' }]);
    const events = turnEvents(session, part, left);
    for (let next = await events.next(); ; next = await events.next()) {
      if (next.done !== true) await write(chunks.pass(next.value));
      else {
        if (next.value !== undefined) await write(chunks.end(next.value.turn, next.value.requests));
        break;
      }
    }
    if (!left.aborted) await sse.writeSSE({ data: '[DONE]' });
  };
  return streamTo(call, tell, ({ type, detail }) => ({ type: 'error', errorText: `${type}: ${detail}` }));
}

/** Makes chunks from the events of a turn. Each model call that writes to the person is a step of the message. */
class Chunks {
  #text: string | undefined;
  #said = '';

  pass(event: FollowEvent): UIMessageChunk[] {
    switch (event.type) {
      case 'model-started':
        return event.step === undefined ? [...this.#close(), { type: 'finish-step' }, { type: 'start-step' }] : [];
      case 'token':
        return event.step === undefined ? this.#write(event.activityId, event.text) : [];
      case 'reset':
        return this.#reset(event.activityId);
      case 'model-ended':
        return event.step === undefined ? this.#close() : note(event.activityId, event.text);
      case 'planned':
        return note(`plan-${event.seq}`, event.steps.map(({ number, task }) => `${number}. ${task}`).join('\n'));
      case 'tool-started':
        return [...this.#close(), toolInput(event.activityId, event.tool, { summary: event.summary })];
      case 'tool-ended': {
        const { activityId: toolCallId, status } = event;
        if (status === 'ok') return [{ type: 'tool-output-available', toolCallId, output: status, dynamic: true }];
        return [
          {
            type: 'tool-output-error',
            toolCallId,
            errorText: `the call ${status === 'failed' ? 'failed' : 'has an unknown outcome'}`,
            dynamic: true,
          },
        ];
      }
      default:
        return [];
    }
  }

  end({ reply, questions, error, status }: TurnView, requests: readonly PendingRequest[]): UIMessageChunk[] {
    const said = reply !== '' ? reply : questions.join('\n');
    const rest = said.trim() === this.#said.trim() ? [] : this.#write('reply', said);
    const asked = requests.filter(({ kind }) => kind !== 'input').flatMap(ask);
    const failed: UIMessageChunk[] =
      error === undefined ? [] : [{ type: 'error', errorText: `${error.type}: ${error.message}` }];
    const finishReason = error !== undefined ? 'error' : status === 'interrupted' ? 'interrupted' : 'stop';
    return [...rest, ...this.#close(), ...asked, ...failed, { type: 'finish-step' }, { type: 'finish', finishReason }];
  }

  #write(id: string, delta: string): UIMessageChunk[] {
    if (delta === '') return [];
    const begin: UIMessageChunk[] = this.#text === id ? [] : [...this.#close(), { type: 'text-start', id }];
    if (begin.length > 0) this.#said = '';
    this.#text = id;
    this.#said += delta;
    return [...begin, { type: 'text-delta', id, delta }];
  }

  #close(): UIMessageChunk[] {
    if (this.#text === undefined) return [];
    const id = this.#text;
    this.#text = undefined;
    return [{ type: 'text-end', id }];
  }

  /** The call starts over: what its step of the message holds is void. */
  #reset(activityId: string): UIMessageChunk[] {
    if (this.#text !== activityId) return [];
    this.#text = undefined;
    this.#said = '';
    return [{ type: 'reset-step' }];
  }
}

function note(id: string, text: string): UIMessageChunk[] {
  if (text === '') return [];
  return [
    { type: 'reasoning-start', id },
    { type: 'reasoning-delta', id, delta: text },
    { type: 'reasoning-end', id },
  ];
}

function toolInput(toolCallId: string, toolName: string, input: unknown): UIMessageChunk {
  return { type: 'tool-input-available', toolCallId, toolName, input, providerExecuted: true, dynamic: true };
}

function ask({ id, digest, kind, question, tool, steps, form }: PendingRequest): UIMessageChunk[] {
  const approvalId = shownId(id, digest);
  const input = tool === null ? { question, steps, ...(form ? { form } : {}) } : parseJson(tool.arguments);
  return [
    toolInput(approvalId, tool?.name ?? kind, input),
    { type: 'tool-approval-request', approvalId, toolCallId: approvalId },
  ];
}
