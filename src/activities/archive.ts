/** The archive: what a closed session leaves behind, should the server forget it. `import` makes a session of it again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { z } from 'zod';
import type { SessionExport } from '../contracts/export.ts';
import { exportSession } from '../contracts/messages.ts';
import { Message } from '../contracts/transcript.ts';
import { writeAtomically } from '../storage/atomic-file.ts';
import { inScope } from './scope.ts';

/** Asks the session for its export, which adds nothing to its history, and writes it whole or not at all. */
export async function archive(archiveDir: string): Promise<void> {
  await inScope(async ({ sessionId, runId }) => {
    const file = await Context.current().client.workflow.getHandle(sessionId, runId).query(exportSession);
    const earlier = await readSegments(join(archiveDir, 'segments', sessionId), file);
    const content = earlier.length === 0 ? file : { ...file, earlier };
    const path = join(archiveDir, `${sessionId}.json`);
    await writeAtomically(path, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  });
}

/** The messages that the first one of the conversation sums up, as far back as their files are there. */
async function readSegments(folder: string, { conversation, segments }: SessionExport): Promise<readonly Message[]> {
  let earlier: readonly Message[] = [];
  for (const { hash, messages: count } of segments.toReversed()) {
    const summary = earlier[0] ?? conversation[0];
    // Others were left out without a file, or somebody has put another conversation in the place of this one.
    if (summary?.role !== 'user' || summary.kind !== 'summary' || summary.replaces !== count) break;
    const messages = await readSegment(join(folder, `${hash}.json`));
    if (!messages) break;
    earlier = [...messages, ...earlier.slice(1)];
  }
  return earlier;
}

async function readSegment(path: string): Promise<Message[] | undefined> {
  try {
    return z.array(Message).parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    // A lost archive makes old originals unreadable and stops nothing.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
