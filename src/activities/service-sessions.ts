/** What workflows of a service have a worker do for the sessions that they use. */
import { Context } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { checkInput, checkSize } from '../client/checked-input.ts';
import { findListeners } from '../client/creation/find-listeners.ts';
import { newSessionId, sessionStart } from '../client/creation/session-start.ts';
import type { Config } from '../config.ts';
import type { ClosedSession, PreparedSession } from '../contracts/activities.ts';
import { CopilotError } from '../contracts/errors.ts';
import { turns } from '../contracts/messages.ts';
import { SessionOptions, type SessionResult } from '../contracts/session.ts';
import type { ResolvedTeam } from '../contracts/team.ts';
import { inScope } from './scope.ts';

export interface SettingsParts {
  readonly config: Pick<Config, 'encryptionKeys' | 'sessionIdleMs'>;
  readonly resolveTeam: (team: string) => Promise<ResolvedTeam>;
}

/** @throws CopilotError `InvalidInput`, `ReservedKey`, `UnknownMode`, `TeamNotFound`, `InvalidTeam` */
export async function prepareSession(
  { config, resolveTeam }: SettingsParts,
  given: SessionOptions,
): Promise<PreparedSession> {
  return await inScope(async () => {
    const options = checkInput(SessionOptions, given, '');
    const team = await resolveTeam(options.team ?? 'default');
    const listeners = await findListeners(Context.current().client, options.user);
    const checked = sessionStart(options, { team, config, now: new Date(), message: undefined });
    const start = { ...checked, ...(listeners && { listeners }) };
    checkSize({ start }, 'options');
    return { id: options.id ?? newSessionId(), start };
  });
}

/** @throws CopilotError `SessionNotFound`; `WrongState` if the session is open */
export async function readClosed({
  sessionId,
  messageId,
}: {
  readonly sessionId: string;
  readonly messageId?: string;
}): Promise<ClosedSession> {
  return await inScope(async () => {
    const handle = Context.current().client.workflow.getHandle(sessionId);
    try {
      const { status } = await handle.describe();
      if (status.name === 'RUNNING') {
        const wayOut = 'Ask it again.';
        throw new CopilotError('WrongState', { needs: 'closed', status: 'open', wayOut });
      }
      const isWhole = status.name === 'COMPLETED';
      const result = isWhole ? ((await handle.result()) as SessionResult) : null; // what sessions return
      const known = messageId !== undefined && isWhole ? await handle.query(turns) : [];
      const turn = known.find((other) => other.messageId === messageId) ?? null;
      return { status: result?.info.status ?? status.name.toLowerCase(), result, turn };
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) throw new CopilotError('SessionNotFound', { sessionId });
      throw error instanceof WorkflowFailedError ? (error.cause ?? error) : error;
    }
  });
}
