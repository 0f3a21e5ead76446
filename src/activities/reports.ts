/** Writes the engine's reports into the workspace after a planned turn. */
import { join } from 'node:path';
import type { ReportInput } from '../contracts/activities.ts';
import { writeInside } from '../tools/workspace/content.ts';
import { inScope } from './scope.ts';
import { makePrivateFolder } from '../storage/atomic-file.ts';

/** @returns paths of the files relative to the workspace */
export async function writeReports(workspaceRoot: string, input: ReportInput): Promise<readonly string[]> {
  return await inScope(async ({ sessionId }) => {
    const workspace = input.workspace ?? join(workspaceRoot, sessionId);
    await makePrivateFolder(workspace);
    const paths: string[] = [];
    for (const [name, content] of Object.entries(input.files)) {
      const path = `${input.folder}/${name}`;
      await writeInside({ workspace, tool: 'reports' }, path, `${JSON.stringify(content, undefined, 2)}\n`);
      paths.push(path);
    }
    return paths;
  });
}
