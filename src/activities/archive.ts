/** The archive: what a closed session leaves behind, should the server forget it. `import` makes a session of it again. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { exportSession } from '../contracts/messages.ts';
import { inScope } from './scope.ts';

/** Asks the session for its export, which adds nothing to its history, and writes it whole or not at all. */
export async function archive(archiveDir: string): Promise<void> {
  await inScope(async ({ sessionId, runId }) => {
    const file = await Context.current().client.workflow.getHandle(sessionId, runId).query(exportSession);
    const path = join(archiveDir, `${sessionId}.json`);
    await mkdir(archiveDir, { recursive: true });
    await writeFile(`${path}.part`, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${path}.part`, path);
  });
}
