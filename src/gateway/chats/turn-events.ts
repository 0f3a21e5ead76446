/** A turn as the protocols of other programs see it: its events, how it ends, and what it asks of a person. */
import type { Decision, FollowEvent, PendingRequest, SessionHandle, TurnView } from '../../client.ts';
import { checkInput } from '../../client/checked-input.ts';
import { dropUndefined } from '../../client/defined-fields.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { DecidePayload } from '../../contracts/payloads.ts';
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
  return endedAt === undefined
    ? { turnId, from }
    : { turnId, from: (await seqOf(session, turnId, isAny, signal)) ?? from };
}

const isAny = (): boolean => true;

/** A turn from its beginning. */
export async function wholeTurn(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<TurnPart> {
  return { turnId, from: (await seqOf(session, turnId, isAny, signal)) ?? 0 };
}

/** Number of the first event of a turn that this is true of. */
export async function seqOf(
  session: SessionHandle,
  turnId: string,
  isIt: (event: FollowEvent) => boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  const next = await session.position({ signal });
  try {
    for await (const event of session.follow({ turnId, signal, as: null })) {
      if (!('seq' in event)) continue;
      if (isIt(event)) return event.seq;
      if (event.seq >= next - 1) break;
    }
  } catch (error) {
    // The server has forgotten the events of the turn.
    if (!(error instanceof CopilotError && error.type === 'InvalidInput')) throw error;
  }
  return undefined;
}

/** How a turn stands when it is settled: what it asks, whole, if it waits for a person. */
export interface TurnOutcome {
  readonly turn: TurnView;
  readonly requests: readonly PendingRequest[];
}

/**
 * The events of a turn until it ends or waits for a person. A turn that waits already is given up to now.
 * @returns undefined if the signal aborts
 * @throws CopilotError `InvalidInput` if there is no such turn; `SessionNotFound`, `SessionClosed` if the session is
 *   deleted or ends while the turn runs
 */
export async function* turnEvents(
  session: SessionHandle,
  { turnId, from }: TurnPart,
  signal: AbortSignal,
): AsyncGenerator<FollowEvent, TurnOutcome | undefined, undefined> {
  let rest = await restOf(session, turnId, signal);
  if (rest === undefined || from <= rest.last) {
    // Nothing has a number beyond the next event, which may be of this turn.
    const begin = Math.min(from, await session.position({ signal }));
    for await (const event of session.follow({ from: begin, signal, as: null })) {
      const isOwn = 'turnId' in event && event.turnId === turnId;
      if (isOwn) yield event;
      if (isOwn && event.type === 'turn-ended') break;
      if (isOwn && event.type === 'request') rest = await restOf(session, turnId, signal);
      if (rest === undefined || !('seq' in event) || event.seq < rest.last) continue;
      if (!rest.isWaiting) break;
      // Somebody may have decided meanwhile: then the turn goes on.
      rest = await restOf(session, turnId, signal);
      if (rest?.isWaiting === true) break;
    }
  }
  if (signal.aborted) return undefined;
  const turn = await session.awaitTurn(turnId, { signal });
  return { turn, requests: await requestsOf(session, turn, signal) };
}

/** Up to where a turn is given that has ended or waits for a person. */
interface Rest {
  /** Number of the last event. Steps that run beside the one that asks go on for a while. */
  readonly last: number;
  readonly isWaiting: boolean;
}

/** @returns undefined if the turn goes on by itself. @throws as {@link turnEvents} */
async function restOf(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<Rest | undefined> {
  const known = (await session.turns({ signal })).find(({ id }) => id === turnId);
  // The session answers for a turn that it has forgotten, and refuses one that never was.
  const { status } = known ?? (await session.awaitTurn(turnId, { signal }));
  if (status === 'queued' || status === 'running' || status === 'suspended') return undefined;
  const last = (await session.position({ signal })) - 1;
  return { last, isWaiting: status === 'awaiting-approval' || status === 'awaiting-input' };
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

/** What a person answers to a request that another program showed. */
export interface ShownDecision {
  /** As {@link shownId} made it. */
  readonly id: string;
  readonly isApproved: boolean;
  readonly reason?: string | undefined;
}

/**
 * Decides a request in the caller's name.
 * @returns the turn that goes on
 * @throws GatewayError `NotFound`; CopilotError `AlreadyDecided`, `DigestMismatch`, as `SessionHandle.decide`
 */
export async function decideShown(caller: Caller, session: SessionHandle, shown: ShownDecision): Promise<string> {
  return await decideAllShown(caller, session, [shown]);
}

/**
 * Decides requests in the caller's name: all, or none if one of them cannot be decided.
 * @returns the turn that goes on
 * @throws as {@link decideShown}
 */
export async function decideAllShown(
  { principal, signal }: Caller,
  session: SessionHandle,
  shown: readonly ShownDecision[],
): Promise<string> {
  const waiting = await session.requests({ signal });
  const decisions = shown.map(({ id, isApproved, reason }) => {
    const [, requestId, digest] = SHOWN.exec(id) ?? [];
    if (requestId === undefined) throw new GatewayError('NotFound', `There is no request "${id}" for approval.`);
    const request = waiting.find((one) => one.id === requestId);
    // Of a request that no longer waits, the session says how it was decided.
    const decision = (request && decisionOf(request, isApproved)) ?? 'approve';
    const given = dropUndefined({ by: principal.name, digest, text: reason });
    checkInput(DecidePayload, { requestId, decision, ...given }, '');
    return { requestId, decision, given, isSure: request?.digest === digest && request?.kind !== 'form' };
  });
  // The session may refuse those that have changed or wait no more, and forms. They come first, so that nothing is decided.
  const unsureFirst = decisions.toSorted((one, other) => Number(one.isSure) - Number(other.isSure));
  let turnId = '';
  for (const { requestId, decision, given } of unsureFirst) {
    ({ turnId } = await session.decide(requestId, decision, { ...given, signal }));
  }
  return turnId;
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
