/** The turn behind a response: where the response begins in it, and how it stands, also if the session keeps it no more. */
import type { FollowEvent, Message, SessionHandle, TurnView } from '../../client.ts';
import { seqOf, type TurnPart } from '../chats/turn-events.ts';
import { GatewayError } from '../problem.ts';
import { type ResponseRef, responseId } from './ids.ts';

/** How a turn stands, as far as it is known. Of a turn that only the conversation has, usage is not. */
export type KnownTurn = Pick<TurnView, 'id' | 'number' | 'status' | 'reply' | 'questions' | 'error'> & {
  readonly kept: TurnView | undefined;
};

/**
 * A session keeps its newest turns; of older ones it has what was said.
 * @throws GatewayError `NotFound` if there is no such turn
 */
export async function turnOf(session: SessionHandle, ref: ResponseRef, signal: AbortSignal): Promise<KnownTurn> {
  if (ref.from >= (await session.position({ signal }))) throw unknownResponse(ref);
  const kept = (await session.turns({ signal })).find(({ id }) => id === ref.turnId);
  if (kept !== undefined) return { ...kept, kept };
  const { messages } = await session.transcript({ all: true, signal });
  const said = messages.filter((message) => message.role !== 'tool' && message.turnId === ref.turnId);
  const number = said.map(numberOf).find((one) => one !== undefined);
  if (number === undefined) throw unknownResponse(ref);
  const answer = said.findLast((message) => message.role === 'assistant');
  const error = answer?.error === undefined ? undefined : { type: answer.error, message: answer.text };
  const status = error !== undefined ? 'failed' : answer === undefined || answer.partial ? 'interrupted' : 'completed';
  const reply = error === undefined ? (answer?.text ?? '') : '';
  return { id: ref.turnId, number, status, reply, questions: [], ...(error && { error }), kept: undefined };
}

const unknownResponse = (ref: ResponseRef): GatewayError =>
  new GatewayError('NotFound', `There is no response "${responseId(ref)}".`);

const numberOf = (message: Message): number | undefined => (message.role === 'tool' ? undefined : message.turn);

/** Turns are numbered when they begin, and their ids when their messages come. */
const placeOf = ({ id }: Pick<TurnView, 'id'>): number => Number(id.slice('turn-'.length));

/** Whether the message of a turn was taken back before the turn began. */
export const isTakenBack = ({ number, endedAt, status }: TurnView): boolean =>
  number === 0 && (endedAt !== undefined || status === 'interrupted');

/** Whether the session goes on behind a turn otherwise than with the message of `own`. */
export function isFollowed(turns: readonly TurnView[], turnId: string, own?: TurnView): boolean {
  const [after, before] = [placeOf({ id: turnId }), own === undefined ? Number.POSITIVE_INFINITY : placeOf(own)];
  return turns.some((turn) => placeOf(turn) > after && placeOf(turn) < before && !isTakenBack(turn));
}

/** Whether a turn waits for one whose message came before. */
export const isBehind = (turns: readonly TurnView[], own: TurnView): boolean =>
  own.status === 'queued' && turns.some((turn) => placeOf(turn) < placeOf(own) && !hasEnded(turn));

const hasEnded = (turn: TurnView): boolean => turn.endedAt !== undefined || isTakenBack(turn);

/**
 * What a message brings about: its turn from the beginning or, if it answers a question of a turn, from the answer on. It
 * is the same however often the message is sent.
 */
export async function partOfMessage(
  session: SessionHandle,
  { id: turnId, messageId }: TurnView,
  sent: { readonly messageId: string | undefined; readonly text: string; readonly from: number },
  signal: AbortSignal,
): Promise<TurnPart> {
  const isAnswer = sent.messageId !== undefined && sent.messageId !== messageId;
  if (!isAnswer) {
    const first = (await seqOf(session, turnId, () => true, signal)) ?? sent.from;
    // Without an id of its own, an answer is known by its turn, which began before.
    return { turnId, from: sent.messageId === undefined ? Math.max(first, sent.from) : first };
  }
  const answered = (await session.decisions({ signal })).findLast(
    (one) => one.kind === 'input' && one.turnId === turnId && one.verdict.text === sent.text,
  );
  const isAnswered = (event: FollowEvent): boolean => event.type === 'decided' && event.requestId === answered?.id;
  return { turnId, from: (await seqOf(session, turnId, isAnswered, signal)) ?? sent.from };
}
