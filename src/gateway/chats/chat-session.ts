/** Sessions of programs that name their conversations themselves. */
import { createHash } from 'node:crypto';
import { CopilotError, type SessionHandle } from '../../client.ts';
import { authorize } from '../authorize.ts';
import type { Caller } from '../call.ts';
import { type GivenFile, storeFiles } from '../files/given-file.ts';
import type { Right } from '../principals/principal.ts';
import { partOf, refuseWhileWaiting, type TurnPart } from './turn-events.ts';

/** An id of a session is that session. Any other text names a conversation of this person. */
const OWN_ID = /^ses_[0-9A-HJKMNP-TV-Z]{26}$/;

/** Begins the ids of sessions that programs name in their own way. Nobody chooses such an id for another session. */
export const CHAT_PREFIX = 'chat_';

function sessionOf({ client, principal }: Caller, chatId: string): SessionHandle {
  if (OWN_ID.test(chatId)) return client.session(chatId);
  const hash = createHash('sha256')
    .update(JSON.stringify([principal.name, chatId]))
    .digest('hex')
    .slice(0, 32);
  return client.session(CHAT_PREFIX + hash);
}

/** @throws CopilotError `SessionNotFound` if there is none yet, or if it is somebody else's */
export async function findChat(caller: Caller, chatId: string, right: Right): Promise<SessionHandle> {
  const session = sessionOf(caller, chatId);
  await authorize(caller.principal, right, session, caller.signal);
  return session;
}

/** The conversation of this name, begun if there is none. @throws as {@link findChat} for the id of a session */
export async function openChat(caller: Caller, chatId: string, team: string): Promise<SessionHandle> {
  try {
    return await findChat(caller, chatId, 'write');
  } catch (error) {
    const isMissing = error instanceof CopilotError && error.type === 'SessionNotFound' && !OWN_ID.test(chatId);
    if (!isMissing) throw error;
    const { client, principal } = caller;
    await client.create({ id: sessionOf(caller, chatId).id, team, user: principal.name, ifExists: 'use' });
    // Somebody else may have begun a session of this id.
    return await findChat(caller, chatId, 'write');
  }
}

/** What a person says in a chat. */
export interface ChatMessage {
  readonly id: string;
  readonly text: string;
  readonly files: readonly GivenFile[];
}

/**
 * Sends a message with its files.
 * @param from where the session stood before
 * @throws CopilotError as `SessionHandle.send`
 */
export async function sendFrom(
  { signal, admit }: Pick<Caller, 'signal' | 'admit'>,
  session: SessionHandle,
  { id: messageId, text, files }: ChatMessage,
  from: number,
): Promise<TurnPart> {
  await refuseWhileWaiting(session, signal);
  await admit(session);
  const stored = await storeFiles(session, files, signal);
  return await partOf(
    session,
    await session.send(text, { messageId, files: stored, wait: false, signal }),
    from,
    signal,
  );
}
