/** Workers of the raw SDK, as processes. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';
import type { TestServer } from '../../test/helpers/server.ts';
import { type ScriptProcess, startScript } from '../script.ts';
import { SILENT } from './silent.ts';

/**
 * Builds the workflow code and gives a function that starts a worker with it. A worker that builds its code itself keeps
 * 130 MB of heap from that, in which new sessions then find room: its memory would not grow.
 */
export async function rawWorkerStarter(
  { address, homeDir }: Pick<TestServer, 'address' | 'homeDir'>,
  modelUrl: string,
): Promise<() => Promise<ScriptProcess>> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('workflow.ts', import.meta.url)),
    logger: SILENT,
  });
  const codePath = join(homeDir, 'raw-workflows.js');
  await writeFile(codePath, code);
  return () => startScript('raw/worker.ts', [address, modelUrl, codePath], /raw worker (ready)/);
}
