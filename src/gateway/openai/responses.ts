/** Responses of the OpenAI API: each is what one turn of a session does until it ends or waits for a person. */
import { createHash } from 'node:crypto';
import type { Response as OpenAiResponse, ResponseStreamEvent } from 'openai/resources/responses/responses';
import { CopilotError, type SessionHandle, type TurnView } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { MessageText } from '../../contracts/session.ts';
import { isSettled } from '../../contracts/turn.ts';
import { authorize } from '../authorize.ts';
import { storeFiles } from '../files/given-file.ts';
import { CHAT_PREFIX } from '../chats/chat-session.ts';
import { decideShown, refuseWhileWaiting, requestsOf, turnEvents, type TurnPart } from '../chats/turn-events.ts';
import type { Caller } from '../call.ts';
import { append } from './conversations.ts';
import { parseResponseId, type ResponseRef, sessionOf } from './ids.ts';
import { type CreateResponse, readInput, refuseFormat, refuseTools, asSaid, type Said, wordsOf } from './input.ts';
import { ResponseBuilder, type ResponseHead } from './response-builder.ts';
import { isFollowed, isTakenBack, type KnownTurn, partOfMessage, turnOf } from './response-turn.ts';

const DEFAULT_TEAM = 'default';

/** The team that a model name stands for. Programs that insist on a model of OpenAI's get the default team. */
export const teamOf = (model: string | null | undefined): string =>
  model === undefined || model === null || /^(gpt|o\d|chatgpt|copilot)\b/.test(model) ? DEFAULT_TEAM : model;

/**
 * Begins a response: sends the message, or decides what the input decides.
 * @param messageId a message id is delivered once, and has the same response however often it is sent
 * @throws CopilotError, GatewayError
 */
export async function beginResponse(
  caller: Caller,
  request: CreateResponse,
  messageId: string | undefined,
): Promise<{ readonly session: SessionHandle; readonly head: ResponseHead }> {
  refuseTools(request.tools);
  refuseFormat(request.text?.format, 'text.format');
  const { messages, approvals } = readInput(request.input ?? []);
  const lastAnswer = messages.findLastIndex(({ role }) => role === 'assistant');
  const said = messages.slice(lastAnswer + 1);
  // Instructions alone, beside an approval, are no message.
  const isSaying = said.some(({ text, files }) => text !== '' || files.length > 0);
  const { text, files } = isSaying
    ? { text: wordsOf(said, request.instructions), files: said.flatMap((one) => one.files) }
    : NOTHING;
  // Before a session begins for it.
  if (text !== '' || (!isSaying && approvals.length === 0)) checkInput(MessageText, text, 'input');
  const input = { before: asSaid(messages.slice(0, lastAnswer + 1)), text, files, approvals, isSaying, messageId };
  const place = await placeFor(caller, request, input);
  const { session, part } = await answerAt(caller, place, input);
  const { model, background, metadata, previous_response_id: previous } = request;
  const head = {
    sessionId: session.id,
    ...part,
    model: model ?? DEFAULT_TEAM,
    background: background ?? false,
    metadata: metadata ?? {},
    previous: previous ?? null,
  };
  return { session, head };
}

const NOTHING: Omit<Said, 'role'> = { text: '', files: [] };

/** What a request brings: earlier messages, then what the person says now, and decisions. */
interface Brought extends Omit<Said, 'role'> {
  readonly before: readonly Said[];
  readonly approvals: ReturnType<typeof readInput>['approvals'];
  readonly isSaying: boolean;
  readonly messageId: string | undefined;
}

/** Where a response goes on. */
interface Place {
  readonly session: SessionHandle;
  /** The turn that the message follows, if the caller names one, and that no other message has followed yet. */
  readonly after?: KnownTurn;
  /** Whether the session was begun for this message. */
  readonly isNew?: boolean;
}

async function answerAt(
  caller: Caller,
  place: Place,
  input: Brought,
): Promise<{ readonly session: SessionHandle; readonly part: TurnPart }> {
  const { signal } = caller;
  const { session } = place;
  const { approvals, text, messageId } = input;
  const from = await session.position({ signal });
  const delivered = messageId === undefined ? undefined : await turnOfMessage(session, messageId, signal);
  if (delivered !== undefined)
    return { session, part: await partOfMessage(session, delivered, { messageId, text, from }, signal) };
  let part: TurnPart = { turnId: '', from };
  for (const { approval_request_id: id, approve, reason } of approvals) {
    const turnId = await decideShown(caller, session, { id, isApproved: approve, reason: reason ?? undefined });
    part = { turnId, from };
  }
  if (!input.isSaying) return { session, part };
  const turn = await say(caller, place, input);
  const isLate = place.after !== undefined && isFollowed(await session.turns({ signal }), place.after.id, turn);
  // Another message has followed the same response meanwhile.
  if (isLate && (await session.unqueue(turn.messageId, { signal })).changed)
    return await answerAt(caller, { session: await forkAfter(caller, session, place.after, messageId) }, input);
  return { session, part: await partOfMessage(session, turn, { messageId, text, from }, signal) };
}

async function say(caller: Caller, { session, isNew = false }: Place, input: Brought): Promise<TurnView> {
  const { signal } = caller;
  const { before, text, files, messageId } = input;
  await refuseWhileWaiting(session, signal);
  await caller.admit(session);
  if (before.length > 0) await (isNew ? appendFirst : append)(session, before, signal);
  const stored = await storeFiles(session, files, signal);
  return await session.send(text, { messageId, files: stored, wait: false, signal });
}

/** Begins a conversation with these messages, unless the same request has begun it already. */
async function appendFirst(session: SessionHandle, messages: readonly Said[], signal: AbortSignal): Promise<void> {
  const isBegun = async (): Promise<boolean> => (await session.transcript({ signal })).messages.length > 0;
  if (await isBegun()) return;
  try {
    await append(session, messages, signal);
  } catch (error) {
    if (!(await isBegun())) throw error;
  }
}

async function turnOfMessage(
  session: SessionHandle,
  messageId: string,
  signal: AbortSignal,
): Promise<TurnView | undefined> {
  return (await session.turns({ signal })).find((turn) => turn.messageId === messageId && !isTakenBack(turn));
}

async function placeFor(
  caller: Caller,
  { conversation, previous_response_id: previous, model }: CreateResponse,
  { approvals, isSaying, messageId }: Brought,
): Promise<Place> {
  const { client, principal, signal } = caller;
  const right = isSaying ? 'write' : 'decide';
  if (typeof previous === 'string') {
    if (conversation !== undefined && conversation !== null) {
      const problem = 'it goes with no conversation; leave one of them out';
      throw new CopilotError('InvalidInput', { what: 'previous_response_id', problem });
    }
    const ref = parseResponseId(previous);
    const session = client.session(ref.sessionId);
    await authorize(principal, right, session, signal);
    const after = await turnOf(session, ref, signal);
    // Requests wait in the session itself.
    if (approvals.length > 0) return { session };
    if (messageId !== undefined && (await turnOfMessage(session, messageId, signal)) !== undefined) return { session };
    if (after.kept !== undefined && isTakenBack(after.kept)) return { session };
    if (!isFollowed(await session.turns({ signal }), after.id)) return { session, after };
    // Somebody goes on from an earlier point: that is another conversation.
    await authorize(principal, 'write', session, signal);
    return { session: await forkAfter(caller, session, after, messageId) };
  }
  if (conversation !== undefined && conversation !== null) {
    const session = client.session(sessionOf(typeof conversation === 'string' ? conversation : conversation.id));
    await authorize(principal, right, session, signal);
    return { session };
  }
  if (approvals.length > 0) {
    throw new CopilotError('InvalidInput', {
      what: 'input',
      problem: 'an approval needs the conversation, or previous_response_id',
    });
  }
  const options = { team: teamOf(model), user: principal.name };
  if (messageId === undefined) return { session: await client.create(options), isNew: true };
  const session = await client.create({ ...options, id: idFor(caller, 'new', messageId), ifExists: 'use' });
  await authorize(principal, right, session, signal);
  return { session, isNew: true };
}

/** The id of a session that one message begins: the same however often the message is sent. */
function idFor({ principal }: Caller, kind: string, messageId: string): string {
  const subject = JSON.stringify([principal.name, kind, messageId]);
  return CHAT_PREFIX + createHash('sha256').update(subject).digest('hex').slice(0, 32);
}

async function forkAfter(
  caller: Caller,
  session: SessionHandle,
  { id: turnId, number }: KnownTurn,
  messageId: string | undefined,
): Promise<SessionHandle> {
  const now = (await session.turns({ signal: caller.signal })).find(({ id }) => id === turnId);
  if (now !== undefined && now.endedAt === undefined) {
    const wayOut = 'Another message follows it already. Go on from it when it has ended, or from that message.';
    throw new CopilotError('WrongState', { needs: 'a response that has ended', status: now.status, wayOut });
  }
  const turn = now?.number ?? number;
  if (messageId === undefined) return await session.fork({ turn });
  const id = idFor(caller, `${session.id} ${turnId}`, messageId);
  try {
    return await session.fork({ turn, id });
  } catch (error) {
    if (!(error instanceof CopilotError && error.type === 'SessionExists')) throw error;
    const fork = caller.client.session(id);
    await authorize(caller.principal, 'write', fork, caller.signal);
    return fork;
  }
}

/** The events of a response, until its turn ends or waits for a person. @throws GatewayError `NotFound` */
export async function* streamResponse(
  session: SessionHandle,
  head: ResponseHead,
  signal: AbortSignal,
): AsyncGenerator<ResponseStreamEvent, OpenAiResponse, undefined> {
  const builder = new ResponseBuilder(head);
  yield* builder.begin();
  const known = await turnOf(session, head, signal);
  if (known.kept === undefined) {
    yield* builder.end(known, []);
    return builder.response;
  }
  const events = turnEvents(session, head, signal);
  for (;;) {
    const { done, value } = await events.next();
    if (done !== true) yield* builder.pass(value);
    else {
      if (value !== undefined) yield* builder.end(value.turn, value.requests);
      return builder.response;
    }
  }
}

/** A response as it is now. @throws GatewayError `NotFound` */
export async function readResponse(
  session: SessionHandle,
  ref: ResponseRef,
  signal: AbortSignal,
): Promise<OpenAiResponse> {
  const next = await session.position({ signal });
  const known = await turnOf(session, ref, signal);
  const builder = new ResponseBuilder(await headOf(session, ref, signal));
  if (known.kept === undefined) {
    builder.end(known, []);
    return builder.response;
  }
  if (ref.from < next) {
    for await (const event of session.follow({ from: ref.from, signal, as: null })) {
      if ('turnId' in event && event.turnId === ref.turnId) builder.pass(event);
      if ('seq' in event && event.seq >= next - 1) break;
    }
  }
  if (isSettled(known.status)) builder.end(known.kept, await requestsOf(session, known.kept, signal));
  return builder.response;
}

/** What a response repeats of its request, as far as the session knows it. */
export async function headOf(session: SessionHandle, ref: ResponseRef, signal: AbortSignal): Promise<ResponseHead> {
  const { team } = await session.info({ signal });
  return { ...ref, model: team, background: false, metadata: {}, previous: null };
}
