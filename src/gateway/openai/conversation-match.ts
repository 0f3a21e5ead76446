/** Finds the session whose conversation a program sends, since it names no session. */
import { createHash } from 'node:crypto';
import { CopilotError, type DecidedRequest, type SessionHandle, type TurnView } from '../../client.ts';
import { imagesOf } from '../../contracts/transcript.ts';
import type { Caller } from '../call.ts';
import { CHAT_PREFIX } from '../chats/chat-session.ts';
import { keptOf } from '../files/given-file.ts';
import { append } from './conversations.ts';
import type { Said } from './input.ts';
import { isTakenBack } from './response-turn.ts';

/** Conversations of one person that begin with the same words, and are told apart by what follows. */
const MAX_ALIKE = 200;
/** How many of them are read at once. Most people have one or two. */
const FIRST_READ = 2;
const MAX_READ = 16;

/** What a program sends: the conversation until the last answer, and what the person says now. */
export interface SentConversation {
  readonly team: string;
  readonly before: readonly Said[];
  readonly now: Said;
  readonly messageId: string | undefined;
}

/** The session whose conversation is exactly this, or that has the message already; else a new one that knows it. */
export async function sessionWith(caller: Caller, sent: SentConversation): Promise<SessionHandle> {
  const { client, principal } = caller;
  const subject = JSON.stringify([principal.name, sent.team, (sent.before[0] ?? sent.now).text]);
  const begin = CHAT_PREFIX + createHash('sha256').update(subject).digest('hex').slice(0, 24);
  for (let first = 0, count = FIRST_READ; first < MAX_ALIKE; first += count, count = Math.min(2 * count, MAX_READ)) {
    const alike = Array.from({ length: count }, (_, index) => client.session(`${begin}_${first + index}`));
    const found = await Promise.all(alike.map(async (session) => await compare(caller, session, sent)));
    const same = found.indexOf('same');
    const session = alike[same];
    if (session !== undefined) return session;
    for (const [index, free] of alike.entries()) {
      if (found[index] !== 'free') continue;
      const begun = await beginAs(caller, free, sent);
      if (begun !== undefined) return begun;
    }
  }
  const session = await client.create({ team: sent.team, user: principal.name });
  if (sent.before.length > 0) await append(session, sent.before, caller.signal);
  return session;
}

/** @returns undefined if somebody else has begun a session of this id meanwhile */
async function beginAs(
  caller: Caller,
  free: SessionHandle,
  sent: SentConversation,
): Promise<SessionHandle | undefined> {
  const { client, principal, signal } = caller;
  const { team, before, now, messageId } = sent;
  // With its message, so that the same request at the same time finds it there.
  const isWhole = messageId !== undefined && before.length === 0 && now.files.length === 0;
  try {
    if (isWhole) await caller.admit(free);
    const first = isWhole ? { message: now.text, messageId } : {};
    const session = await client.create({ id: free.id, team, user: principal.name, ...first });
    if (before.length > 0) await append(session, before, signal);
    return session;
  } catch (error) {
    if (!(error instanceof CopilotError && error.type === 'SessionExists')) throw error;
    return messageId !== undefined && (await compare(caller, free, sent)) === 'same' ? free : undefined;
  }
}

const AT_WORK: readonly TurnView['status'][] = ['queued', 'running', 'awaiting-approval', 'suspended'];

async function compare(
  { principal, signal }: Caller,
  session: SessionHandle,
  { before, now, messageId }: SentConversation,
): Promise<'free' | 'same' | 'other'> {
  try {
    const { isClosed, user } = await session.describe({ signal });
    // Anybody could have begun a session of this id.
    if (isClosed || user !== principal.name) return 'other';
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return 'free';
    throw error;
  }
  if (before.length === 0 && messageId === undefined) return 'other';
  const turns = await session.turns({ signal });
  if (messageId !== undefined && turns.some((turn) => turn.messageId === messageId && !isTakenBack(turn)))
    return 'same';
  // What runs goes on with the conversation already.
  if (before.length === 0 || turns.some(({ status }) => AT_WORK.includes(status))) return 'other';
  const lines = await linesOf(session, turns, signal);
  if (!before.every((message, index) => isSame(message, lines[index]))) return 'other';
  const next = lines[before.length];
  // An answer that is sent again.
  const isSentAgain = messageId !== undefined && next?.isAnswer === true && isSame(now, next);
  return next === undefined || isSentAgain ? 'same' : 'other';
}

/** A message as its program saw it. */
interface Line {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  /** Digests of images, joined. */
  readonly images: string;
  /** Whether it answers a question of an agent. */
  readonly isAnswer?: boolean;
}

/** The conversation as a program saw it: with the questions of agents, which a session keeps apart. */
async function linesOf(session: SessionHandle, turns: readonly TurnView[], signal: AbortSignal): Promise<Line[]> {
  const { messages } = await session.transcript({ all: true, signal });
  const answered = (await session.decisions({ signal })).filter(({ kind }) => kind === 'input');
  const lines: Line[] = [];
  for (const message of messages) {
    if (message.role === 'tool') continue;
    const images = digestsOf(imagesOf(message));
    lines.push({ role: message.role, text: message.text, images });
    if (message.role === 'user') lines.push(...askedIn(answered, message.turnId));
  }
  const waiting = turns.find(({ status }) => status === 'awaiting-input');
  if (waiting === undefined) return lines;
  lines.push({ role: 'user', text: await textOf(session, waiting, signal), images: digestsOf(waiting.images ?? []) });
  lines.push(...askedIn(answered, waiting.id));
  lines.push({ role: 'assistant', text: waiting.questions.join('\n'), images: '' });
  return lines;
}

function askedIn(answered: readonly DecidedRequest[], turnId: string | undefined): Line[] {
  return answered
    .filter((request) => request.turnId === turnId && request.verdict.decision === 'answer')
    .flatMap(({ question, verdict: { text = '', images = [] } }) => [
      { role: 'assistant', text: question, images: '' },
      { role: 'user', text, images: digestsOf(images), isAnswer: true },
    ]);
}

/** The conversation has the words of a turn when it has ended. */
async function textOf(session: SessionHandle, { id: turnId }: TurnView, signal: AbortSignal): Promise<string> {
  for await (const event of session.follow({ turnId, signal, as: null })) {
    if (event.type === 'turn-started') return event.text;
    if (event.type === 'request') break;
  }
  return '';
}

const digestsOf = (images: readonly { readonly digest: string }[]): string => images.map(({ digest }) => digest).join();

/** An answer may have been streamed with what its agent wrote on the way to it, such as before a call of a tool. */
function isSame({ role, text, files }: Said, kept: Line | undefined): boolean {
  if (kept?.role !== role) return false;
  const shown = keptOf(text, files);
  const [said, known] = [shown.text.trim(), kept.text.trim()];
  const isText = said === known || (role === 'assistant' && known !== '' && said.endsWith(`\n${known}`));
  return isText && digestsOf(shown.images) === kept.images;
}
