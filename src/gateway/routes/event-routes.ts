/** The events of a session, and who follows them. */
import { z } from 'zod';
import { CopilotError, type SessionHandle } from '../../client.ts';
import type { EventHub } from '../events/event-hub.ts';
import { Count, type Route, route } from './route.ts';

/** The cursor before the first event of a turn; the first of all if the turn came along from another session. */
async function beginOf(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<string> {
  const following = session.follow({ turnId, signal, as: null });
  try {
    return await following.cursor();
  } catch (error) {
    if (!(error instanceof CopilotError) || error.type !== 'InvalidInput') throw error;
    if (!(await cameAlong(session, turnId, signal))) throw error;
    return await session.follow({ from: 0, signal, as: null }).cursor();
  } finally {
    await following.return();
  }
}

/** Whether the session has a turn that began in another one. */
async function cameAlong(session: SessionHandle, turnId: string, signal: AbortSignal): Promise<boolean> {
  if ((await session.turns({ signal })).some(({ id }) => id === turnId)) return true;
  const { messages } = await session.transcript({ all: true, signal });
  return messages.some((message) => 'turnId' in message && message.turnId === turnId);
}

export function eventRoutes(hub: EventHub): Route[] {
  return [
    route({
      method: 'get',
      path: '/v1/sessions/{id}/events',
      summary:
        'Server-sent events; Last-Event-ID, or after, goes on exactly where another stream ended; turn begins with that turn',
      right: 'read',
      query: z.strictObject({
        after: z.string().min(1).optional(),
        from: Count.optional(),
        turn: z.string().min(1).max(200).optional(),
      }),
      media: 'text/event-stream',
      run: async ({ session, principal, isSignedIn, query: { turn, ...query }, lastEventId, signal }) => {
        const { isClosed } = await session.describe({ signal });
        // A browser repeats the whole address with its last id, which is newer.
        const after =
          lastEventId ?? query.after ?? (turn === undefined ? undefined : await beginOf(session, turn, signal));
        const start = { ...query, ...(after === undefined ? {} : { after }) };
        return await hub.stream(session, isClosed, { principal, isSignedIn }, start);
      },
    }),
    route({
      method: 'get',
      path: '/v1/sessions/{id}/followers',
      summary: 'Who follows the session now: through a gateway, with the CLI, or by the client library',
      right: 'read',
      run: ({ session }) => hub.attached(session),
    }),
  ];
}
