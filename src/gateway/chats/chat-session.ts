/** Sessions of programs that name their conversations themselves. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CopilotError, type SessionHandle, type TurnView } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { digestOfBytes } from '../../contracts/digest.ts';
import { FoundId } from '../../contracts/session.ts';
import { authorize } from '../authorize.ts';
import type { Caller } from '../call.ts';
import { storeFiles } from '../files/given-file.ts';
import { type InputMessage, wordsOf } from '../openai/input.ts';
import type { Right } from '../principals/principal.ts';
import { partOf, refuseWhileWaiting, type TurnPart, wholeTurn } from './turn-events.ts';

/** The form of the ids that sessions get by themselves. No conversation is called so. */
const OWN_ID = /^ses_[0-9A-HJKMNP-TV-Z]{26}$/;

/** Begins the ids of sessions that programs name in their own way. Nobody chooses such an id for another session. */
export const CHAT_PREFIX = 'chat_';

/** The conversation that this person calls so. */
function namedSession({ client, principal }: Caller, chatId: string): SessionHandle {
  const hash = createHash('sha256')
    .update(JSON.stringify([principal.name, chatId]))
    .digest('hex')
    .slice(0, 32);
  return client.session(CHAT_PREFIX + hash);
}

/**
 * The session of this id, if the caller may see one; else the conversation that they call so.
 * @throws CopilotError `SessionNotFound` if there is none yet, or if it is somebody else's; GatewayError `Forbidden`
 */
export async function findChat(caller: Caller, chatId: string, right: Right): Promise<SessionHandle> {
  const { client, principal, signal } = caller;
  if (FoundId.safeParse(chatId).success) {
    const session = client.session(chatId);
    try {
      await authorize(principal, right, session, signal);
      return session;
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  const session = namedSession(caller, chatId);
  await authorize(principal, right, session, signal);
  return session;
}

/** To write into it: the conversation of this name, begun if there is none. @throws as {@link findChat} */
export async function openChat(caller: Caller, chatId: string, team: string): Promise<SessionHandle> {
  try {
    return await findChat(caller, chatId, 'write');
  } catch (error) {
    if (!mayBegin(chatId, error)) throw error;
    const { client, principal } = caller;
    await client.create({ id: namedSession(caller, chatId).id, team, user: principal.name, ifExists: 'use' });
    // Somebody else may have begun a session of this id.
    return await findChat(caller, chatId, 'write');
  }
}

/** Whether {@link findChat} failed because nobody has begun the conversation yet. */
export function mayBegin(chatId: string, error: unknown): boolean {
  return isMissing(error) && !OWN_ID.test(chatId);
}

function isMissing(error: unknown): boolean {
  return error instanceof CopilotError && error.type === 'SessionNotFound';
}

/** What a program says in a chat. Rules of the program are of role `system`. */
export interface ChatMessage extends InputMessage {
  /** The program's own. */
  readonly id: string;
}

/** What a program sends for an answer. */
export interface ChatInput {
  /** All since the last answer. The last one is the person's, and gives the rest its id. */
  readonly messages: readonly ChatMessage[];
  /** What the program tells the agents beside it. */
  readonly context?: string;
  /** Whether the message is to be answered anew. */
  readonly isAnew?: boolean;
}

/**
 * Sends what is new, as one message with its files. The same message again has the same turn, from its beginning; with
 * other words or files it is a new one.
 * @param from where the session stood before
 * @throws CopilotError as `SessionHandle.send`
 */
export async function sendFrom(
  { signal, admit }: Pick<Caller, 'signal' | 'admit'>,
  session: SessionHandle,
  { messages, context = '', isAnew = false }: ChatInput,
  from: number,
): Promise<TurnPart> {
  const turns = await session.turns({ signal });
  const last = checkLast(messages.at(-1));
  const key = keyOf(last);
  const sent = turnsOf(turns, last.id).at(-1);
  const isSame = sent?.key === key;
  if (isSame && (!isAnew || sent.turn.endedAt === undefined)) return await wholeTurn(session, sent.turn.id, signal);
  await refuseWhileWaiting(session, signal);
  await admit(session);
  const fresh = [...behindTurns(turns, messages.slice(0, -1)), last];
  const files = await storeFiles(
    session,
    fresh.flatMap((one) => one.files),
    signal,
  );
  const text = [wordsOf(fresh), context].filter((part) => part !== '').join('\n\n');
  // Words that were sent before, then others, and now again, are new as well.
  const messageId = isAnew || sent !== undefined ? `${key}#${latestOf(turns)}` : key;
  return await partOf(session, await session.send(text, { messageId, files, wait: false, signal }), from, signal);
}

/** @throws CopilotError `InvalidInput` if the last message says something new: a run that decides says nothing */
export async function refuseNewWords(
  session: SessionHandle,
  messages: readonly ChatMessage[],
  signal: AbortSignal,
): Promise<void> {
  const said = behindTurns(await session.turns({ signal }), messages).filter(({ role }) => role === 'user');
  if (said.length === 0) return;
  // An answer to a question has no turn of its own.
  const answers = (await session.decisions({ signal })).flatMap(({ kind, verdict }) =>
    kind === 'input' ? [verdict.text ?? ''] : [],
  );
  if (said.every(({ text }) => answers.some((answer) => answer.includes(text)))) return;
  const problem = 'a run either answers interrupts or says something; send the new message in the next run';
  throw new CopilotError('InvalidInput', { what: 'messages', problem });
}

const LastMessage = z.looseObject({ id: z.string().min(1).max(150), role: z.literal('user') });

/** @throws CopilotError `InvalidInput` */
function checkLast(last: ChatMessage | undefined): ChatMessage {
  checkInput(LastMessage, last, 'the last message');
  if (last !== undefined) return last;
  throw new CopilotError('InvalidInput', { what: 'messages', problem: 'there is none' });
}

/** Id of a message in the session. A program that lets people edit their words keeps its own id for them. */
function keyOf({ id, text, files }: ChatMessage): string {
  const content = files.map((file) => [file.name, digestOfBytes(file.content)]);
  const digest = createHash('sha256')
    .update(JSON.stringify([text, content]))
    .digest('hex')
    .slice(0, 16);
  return `${id}#${digest}`;
}

/** The turns of a message of this id, oldest first. */
function turnsOf(turns: readonly TurnView[], id: string): { readonly key: string; readonly turn: TurnView }[] {
  return turns.flatMap((turn) => {
    const [, key = '', known] = /^((.*)#[0-9a-f]{16})(?:#\d+)?$/s.exec(turn.messageId) ?? [];
    return known === id ? [{ key, turn }] : [];
  });
}

/** The messages that came after those that have turns already. */
function behindTurns(turns: readonly TurnView[], messages: readonly ChatMessage[]): readonly ChatMessage[] {
  return messages.slice(messages.findLastIndex(({ id }) => turnsOf(turns, id).length > 0) + 1);
}

/** Number in the id of the newest turn. */
function latestOf(turns: readonly TurnView[]): number {
  return Math.max(0, ...turns.map(({ id }) => Number(/\d+$/.exec(id)?.[0] ?? 0)));
}
