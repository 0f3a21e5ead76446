/** Waits for a turn to settle, across runs of the workflow and however many others wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CopilotError } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import { isSettled, type TurnView } from '../../contracts/turn.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { deliver, type DeliveryOptions } from './delivery.ts';
import { checkInput } from '../checked-input.ts';
import { readTurns } from '../reading/cut-off.ts';

/** Interval of polling if too many callers wait for turns of the session. */
const LOOK_INTERVAL_MS = 500;

/** The turn once it is settled. @throws as `SessionHandle.awaitTurn` */
export async function awaitSettledTurn(
  link: ServerLink,
  sessionId: string,
  turnId: string,
  options: Pick<DeliveryOptions, 'signal' | 'retryForMs'>,
): Promise<TurnView> {
  const payload = checkInput(payloads.AwaitTurnPayload, { turnId }, '');
  for (;;) {
    const view = await waitOnce(link, sessionId, payload, options);
    if (view && isSettled(view.status)) return view;
    if (!view) await sleep(LOOK_INTERVAL_MS, undefined, { ...(options.signal ? { signal: options.signal } : {}) });
  }
}

/** The turn when its wait ended; undefined if the turn has to be polled. */
async function waitOnce(
  link: ServerLink,
  sessionId: string,
  payload: payloads.AwaitTurnPayload,
  options: DeliveryOptions,
): Promise<TurnView | undefined> {
  const { signal } = options;
  const settledTurn = async (): Promise<TurnView | undefined> =>
    (await readTurns(link, sessionId, { from: 0, signal })).find(
      ({ id, status }) => id === payload.turnId && isSettled(status),
    );
  try {
    return await deliver(link, sessionId, messages.awaitTurn, payload, options);
  } catch (error) {
    if (!(error instanceof CopilotError)) throw error;
    if (error.type === 'TooManyWaiting') return await settledTurn();
    // The session ended while the turn ran, and the turn with it.
    const turn = error.type === 'SessionClosed' ? await settledTurn() : undefined;
    if (turn) return turn;
    throw error;
  }
}
