/** A turn as the protocols of other programs see it: its events, how it ends, and what it asks of a person. */
import type { Decision, FollowEvent, PendingRequest, SessionHandle, TurnView } from '../../client.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { APPROVING } from '../../contracts/request.ts';
import type { Caller } from '../call.ts';
import { GatewayError } from '../problem.ts';

/** A turn from one event on. */
export interface TurnPart {
  readonly turnId: string;
  /** Number of the first event. */
  readonly from: number;
}

/**
 * The turn of a message: from where the message found the session or, if it was sent before and has its answer already, from
 * its beginning.
 * @param from where the session stood before the message was sent
 */
export async function partOf(
  session: SessionHandle,
  { id: turnId, endedAt }: TurnView,
  from: number,
  signal: AbortSignal,
): Promise<TurnPart> {
  if (endedAt === undefined) return { turnId, from };
  const following = session.follow({ turnId, signal, as: null });
  try {
    const { value: first } = await following.next();
    return { turnId, from: first && 'seq' in first ? first.seq : from };
  } finally {
    await following.return();
  }
}

/** How a turn stands when it is settled: what it asks, whole, if it waits for a person. */
export interface TurnOutcome {
  readonly turn: TurnView;
  readonly requests: readonly PendingRequest[];
}

/** The events of a turn until it ends or waits for a person. @returns undefined if the signal aborts */
export async function* turnEvents(
  session: SessionHandle,
  { turnId, from }: TurnPart,
  signal: AbortSignal,
): AsyncGenerator<FollowEvent, TurnOutcome | undefined, undefined> {
  let last: number | undefined;
  for await (const event of session.follow({ from, signal, as: null })) {
    const isOwn = 'turnId' in event && event.turnId === turnId;
    if (isOwn) yield event;
    if (isOwn && event.type === 'request') last = await lastEventBeforeWaiting(session, turnId, signal);
    const hasEnded = isOwn && event.type === 'turn-ended';
    if (hasEnded || (last !== undefined && 'seq' in event && event.seq >= last)) {
      const turn = await session.awaitTurn(turnId, { signal });
      return { turn, requests: await requestsOf(session, turn, signal) };
    }
  }
  return undefined;
}

/** Steps that run beside the one that asks go on for a while. @returns undefined if the turn does not wait any more */
async function lastEventBeforeWaiting(
  session: SessionHandle,
  turnId: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { status } = await session.awaitTurn(turnId, { signal });
  if (status !== 'awaiting-approval' && status !== 'awaiting-input') return undefined;
  return (await session.position({ signal })) - 1;
}

/** What a turn asks, with all of its arguments. */
export async function requestsOf(
  session: SessionHandle,
  turn: TurnView,
  signal: AbortSignal,
): Promise<PendingRequest[]> {
  const whole = (turn.requests ?? []).map(async (request) => {
    const found = request.isCut ? await session.request(request.id, { signal }) : request;
    return 'options' in found ? found : request;
  });
  return await Promise.all(whole);
}

const SHOWN = /^ask_(.+)\.([0-9a-f]{64})$/;

/** The id of a request for other programs. It names what was shown, so that an approval counts only for that. */
export const shownId = (requestId: string, digest: string): string => `ask_${requestId}.${digest}`;

/**
 * Decides a request in the caller's name.
 * @returns the turn that goes on
 * @throws GatewayError `NotFound`; CopilotError `AlreadyDecided`, `DigestMismatch`, as `SessionHandle.decide`
 */
export async function decideShown(
  { principal, signal }: Caller,
  session: SessionHandle,
  {
    id,
    isApproved,
    reason: text,
  }: { readonly id: string; readonly isApproved: boolean; readonly reason?: string | undefined },
): Promise<string> {
  const [, requestId, digest] = SHOWN.exec(id) ?? [];
  if (requestId === undefined) throw new GatewayError('NotFound', `There is no request "${id}" for approval.`);
  const request = (await session.requests({ signal })).find((one) => one.id === requestId);
  // Of a request that no longer waits, the session says how it was decided.
  const decision = (request && decisionOf(request, isApproved)) ?? 'approve';
  const decided = await session.decide(requestId, decision, { by: principal.name, digest, text, signal });
  return decided.turnId;
}

function decisionOf({ options }: PendingRequest, isApproved: boolean): Decision | undefined {
  const narrow = options.filter((option) => option !== 'session' && option !== 'modify' && option !== 'redo');
  return narrow.find((option) => APPROVING.includes(option) === isApproved);
}

/** A message would wait behind the request, and its turn would not begin. @throws CopilotError `WrongState` */
export async function refuseWhileWaiting(session: SessionHandle, signal: AbortSignal): Promise<void> {
  const waiting = (await session.requests({ signal })).find(({ kind }) => kind !== 'input');
  if (waiting === undefined) return;
  const wayOut = 'Decide it first.';
  throw new CopilotError('WrongState', { needs: 'no request that waits', status: `waiting for ${waiting.id}`, wayOut });
}
