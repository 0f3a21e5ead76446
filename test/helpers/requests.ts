/** Requests to people: waiting for them, and deciding them one after another. */
import assert from 'node:assert/strict';
import type { DecidedRequest, DecideOptions, Decision, PendingRequest, SessionHandle } from '../../src/client.ts';
import { until } from './history.ts';

/** The request that waits, as soon as one does. */
export async function nextRequest(session: SessionHandle, timeoutMs?: number): Promise<PendingRequest> {
  const requests = await until(
    'a request',
    async () => {
      const waiting = await session.requests();
      return waiting.length > 0 ? waiting : undefined;
    },
    timeoutMs,
  );
  assert.equal(requests.length, 1, JSON.stringify(requests));
  const [request] = requests;
  assert.ok(request);
  return request;
}

/** Decides what waits next. */
export async function decideNext(
  session: SessionHandle,
  decision: Decision,
  options: DecideOptions = {},
): Promise<DecidedRequest> {
  return await session.decide((await nextRequest(session)).id, decision, { by: 'ada', ...options });
}
