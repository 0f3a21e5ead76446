/** Changes of a session's settings. */
import { CopilotError } from '../../contracts/errors.ts';
import { team } from '../../contracts/messages.ts';
import { ConfigurePayload } from '../../contracts/payloads.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { resolveTeam } from '../creation/team-directory.ts';
import { checkInput } from '../checked-input.ts';
import { querySession } from '../reading/session-queries.ts';

/**
 * Settings to change; others stay. `approvals`, `budget` and each agent in `agents` are replaced as a whole. Null resets a
 * setting or an agent to its default, except `idleTimeoutMs: null`, which means never.
 */
export interface ConfigureOptions extends Omit<ConfigurePayload, 'team'> {
  /** Adopt the team definition from the workers' files, from the next turn on. Default false. */
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
    throw new CopilotError('InvalidInput', { what: 'configure', problem: 'it names no setting; pass at least one' });
  }
  const { definition } = await querySession(link, sessionId, team, [], { signal });
  return { ...payload, team: await resolveTeam(link, definition.name) };
}
