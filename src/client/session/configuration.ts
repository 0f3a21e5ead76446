/** Settings of a session as a caller changes them, in the form that the session takes. */
import { CopilotError } from '../../contracts/errors.ts';
import { team } from '../../contracts/messages.ts';
import { ConfigurePayload } from '../../contracts/payloads.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { resolveTeam } from '../creation/team-directory.ts';
import { checkInput } from '../checked-input.ts';
import { querySession } from '../reading/session-queries.ts';

/**
 * What is left out stays. `agents` names the agents to change, whose override is replaced; `approvals` and `budget`
 * are replaced as wholes. Null takes a setting, or an agent, back to its default; `idleTimeoutMs: null` is never.
 */
export interface ConfigureOptions extends Omit<ConfigurePayload, 'team'> {
  /** Takes over the team's definition as the workers' files have it now, from the next turn on. */
  readonly refreshTeam?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws CopilotError `InvalidInput`; with `refreshTeam` as `create` */
export async function configurePayload(
  link: ServerLink,
  sessionId: string,
  { refreshTeam = false, signal, ...settings }: ConfigureOptions,
): Promise<ConfigurePayload> {
  const payload = checkInput(ConfigurePayload.omit({ team: true }), settings, '');
  if (!refreshTeam) {
    const { expectedVersion: _, ...changed } = payload;
    if (Object.values(changed).some((value) => value !== undefined)) return payload;
    throw new CopilotError('InvalidInput', { what: 'configure', problem: 'no setting is named' });
  }
  const { definition } = await querySession(link, sessionId, team, [], { signal });
  return { ...payload, team: await resolveTeam(link, definition.name) };
}
