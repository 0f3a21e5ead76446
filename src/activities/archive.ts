/** Archives a closed session, in case the server deletes its history. */
import { Context } from '@temporalio/activity';
import type { AgentCache } from '../agents/cache/agent-cache.ts';
import { isTransient } from '../connection/grpc-errors.ts';
import { CopilotError } from '../contracts/errors.ts';
import type { SessionExport } from '../contracts/export.ts';
import { exportSession } from '../contracts/messages.ts';
import { archiveExport } from '../storage/archive.ts';
import type { ObjectStore } from '../storage/stores/object-store.ts';
import { inScope } from './scope.ts';

/**
 * Queries the session for its export, which adds nothing to its history, and writes it to the archive. It is the
 * session's last activity, so its private agents are not needed any more.
 * @throws CopilotError `ArchiveUnavailable`, which is retried
 */
export async function archive(agents: AgentCache, store: ObjectStore): Promise<void> {
  await inScope(async ({ sessionId, runId }) => {
    agents.forgetSession(sessionId);
    const file = await readExport(sessionId, runId);
    await archiveExport(store, sessionId, file);
  });
}

async function readExport(sessionId: string, runId: string): Promise<SessionExport> {
  try {
    return await Context.current().client.workflow.getHandle(sessionId, runId).query(exportSession);
  } catch (error) {
    // The server or the worker that holds the session is away.
    if (!isTransient(error)) throw error;
    throw new CopilotError('ArchiveUnavailable', { place: sessionId, problem: String(error) }, { cause: error });
  }
}
