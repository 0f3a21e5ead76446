/** Archives a closed session, in case the server deletes its history. */
import { Context } from '@temporalio/activity';
import { exportSession } from '../contracts/messages.ts';
import { archiveExport } from '../storage/archive.ts';
import { inScope } from './scope.ts';

/** Queries the session for its export, which adds nothing to its history, and writes it to the archive. */
export async function archive(archiveDir: string): Promise<void> {
  await inScope(async ({ sessionId, runId }) => {
    const file = await Context.current().client.workflow.getHandle(sessionId, runId).query(exportSession);
    await archiveExport(archiveDir, sessionId, file);
  });
}
