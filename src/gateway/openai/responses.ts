/** Responses of the OpenAI API: each is what one turn of a session does until it ends or waits for a person. */
import type { Response as OpenAiResponse, ResponseStreamEvent } from 'openai/resources/responses/responses';
import type { SessionHandle } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { MessageText } from '../../contracts/session.ts';
import { isSettled } from '../../contracts/turn.ts';
import { authorize } from '../authorize.ts';
import { storeFiles } from '../files/given-file.ts';
import {
  decideShown,
  partOf,
  refuseWhileWaiting,
  requestsOf,
  turnEvents,
  type TurnPart,
} from '../chats/turn-events.ts';
import type { Caller } from '../call.ts';
import type { Right } from '../principals/principal.ts';
import { parseResponseId, type ResponseRef, sessionOf } from './ids.ts';
import { type CreateResponse, readInput, refuseTools, wordsOf } from './input.ts';
import { ResponseBuilder, type ResponseHead } from './response-builder.ts';
import { turnOf } from './response-turn.ts';

const DEFAULT_TEAM = 'default';

/** The team that a model name stands for. Programs that insist on a model of OpenAI's get the default team. */
export const teamOf = (model: string | null | undefined): string =>
  model === undefined || model === null || /^(gpt|o\d|chatgpt|copilot)\b/.test(model) ? DEFAULT_TEAM : model;

/**
 * Begins a response: sends the message, or decides what the input decides.
 * @param messageId a message id is delivered once
 * @throws CopilotError, GatewayError
 */
export async function beginResponse(
  caller: Caller,
  request: CreateResponse,
  messageId: string | undefined,
): Promise<{ readonly session: SessionHandle; readonly head: ResponseHead }> {
  refuseTools(request.tools);
  const { messages, approvals } = readInput(request.input ?? []);
  const said = messages.filter(({ role }) => role !== 'assistant');
  const files = said.flatMap((message) => message.files);
  // Instructions alone, beside an approval, are no message.
  const isSaying = files.length > 0 || said.some(({ text }) => text !== '');
  const text = isSaying ? wordsOf(said, request.instructions) : '';
  // Before a session begins for it.
  if (text !== '' || (!isSaying && approvals.length === 0)) checkInput(MessageText, text, 'input');
  const session = await sessionFor(caller, request, {
    right: isSaying ? 'write' : 'decide',
    isNew: approvals.length === 0,
  });
  const from = await session.position({ signal: caller.signal });
  let part: TurnPart = { turnId: '', from };
  for (const { approval_request_id: id, approve, reason } of approvals) {
    const turnId = await decideShown(caller, session, { id, isApproved: approve, reason: reason ?? undefined });
    part = { turnId, from };
  }
  if (isSaying) {
    const { signal } = caller;
    await refuseWhileWaiting(session, signal);
    await caller.admit(session);
    const stored = await storeFiles(session, files, signal);
    const turn = await session.send(text, { messageId, files: stored, wait: false, signal });
    part = await partOf(session, turn, from, signal);
  }
  const ref: ResponseRef = { sessionId: session.id, ...part };
  const { model, background, metadata, previous_response_id: previous } = request;
  const head = {
    ...ref,
    model: model ?? DEFAULT_TEAM,
    background: background ?? false,
    metadata: metadata ?? {},
    previous: previous ?? null,
  };
  return { session, head };
}

async function sessionFor(
  caller: Caller,
  { conversation, previous_response_id: previous, model }: CreateResponse,
  { right, isNew }: { readonly right: Right; readonly isNew: boolean },
): Promise<SessionHandle> {
  const { client, principal, signal } = caller;
  if (typeof previous === 'string') {
    if (conversation !== undefined && conversation !== null) {
      const problem = 'it goes with no conversation; leave one of them out';
      throw new CopilotError('InvalidInput', { what: 'previous_response_id', problem });
    }
    const ref = parseResponseId(previous);
    const session = client.session(ref.sessionId);
    await authorize(principal, right, session, signal);
    const { number } = await turnOf(session, ref, signal);
    const turns = await session.turns({ signal });
    const isLatest = turns.every((turn) => turn.number <= number);
    // Somebody goes on from an earlier point: that is another conversation.
    if (isLatest || number === 0) return session;
    await authorize(principal, 'write', session, signal);
    return await session.fork({ turn: number });
  }
  if (conversation !== undefined && conversation !== null) {
    const session = client.session(sessionOf(typeof conversation === 'string' ? conversation : conversation.id));
    await authorize(principal, right, session, signal);
    return session;
  }
  if (!isNew) {
    throw new CopilotError('InvalidInput', {
      what: 'input',
      problem: 'an approval needs the conversation, or previous_response_id',
    });
  }
  return await client.create({ team: teamOf(model), user: principal.name });
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
