/** The folders that a worker is told to use, before it takes work: a wrong one would fail session after session. */
import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import { listTeams } from '../../agents/files/team-folders.ts';
import type { Config } from '../../config.ts';
import { CopilotError } from '../../contracts/errors.ts';
import { findWriteProblem } from '../../storage/writable-folder.ts';

/** @throws CopilotError `InvalidConfig` for a folder that is not there, or that this program cannot write to */
export async function checkHostFolders(
  { agentsDir, workspaceRoot, archiveDir }: Pick<Config, 'agentsDir' | 'workspaceRoot' | 'archiveDir'>,
  { hasOwnArchive, log }: { readonly hasOwnArchive: boolean; readonly log: Logger },
): Promise<void> {
  for (const folder of typeof agentsDir === 'string' ? [agentsDir] : agentsDir) {
    const isFolder = await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) refuse('COPILOT_AGENTS_DIR', folder, 'there is no such folder of teams');
  }
  if ((await listTeams(agentsDir)).length === 0) {
    log.warn({ agentsDir }, 'this worker has no team, so that no session can begin on it; see `copilot doctor`');
  }
  const problem = await findWriteProblem(workspaceRoot);
  if (problem !== undefined) {
    refuse('COPILOT_WORKSPACE_ROOT', workspaceRoot, `${problem}; name a folder that this program can write to`);
  }
  // Only the end of sessions needs it, and waits until it is there.
  const unarchived = hasOwnArchive ? undefined : await findWriteProblem(archiveDir);
  if (unarchived !== undefined) {
    log.warn({ archiveDir, problem: unarchived }, 'the archive cannot be written: sessions stay open until it can');
  }
}

function refuse(name: string, value: string, problem: string): never {
  throw new CopilotError('InvalidConfig', { name, value, problem });
}
