/** Whether a principal may do something with a session. */
import type { SessionDescription, SessionHandle } from '../client.ts';
import { CopilotError } from '../contracts/errors.ts';
import { mayDo, type Principal, type Right } from './principals/principal.ts';
import { GatewayError } from './problem.ts';

/**
 * @throws CopilotError `SessionNotFound`, also if the session is somebody else's; GatewayError `Forbidden` if they may
 *   read it only
 */
export async function authorize(
  { name, role }: Principal,
  right: Right,
  session: SessionHandle,
  signal: AbortSignal,
): Promise<SessionDescription> {
  const description = await session.describe({ signal });
  const { user } = description;
  if (!mayDo({ name, role }, 'read', user)) throw new CopilotError('SessionNotFound', { sessionId: session.id });
  if (mayDo({ name, role }, right, user)) return description;
  throw new GatewayError('Forbidden', `${name} (${role}) may read this session, but not change it.`);
}
