/**
 * Lets the worlds of one Mocha process follow each other on one server with one worker: `--require` it with the files
 * that may run so. A start of both takes some 3 s of the processor, which is more than many a file needs.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { isServerAnswering } from '../../src/server/server-process.ts';
import type { TestServer } from './server.ts';
import type { WorkerProcess } from './worker.ts';

/** What a world leaves for the next one. */
export interface Shared {
  readonly server: TestServer;
  readonly worker: WorkerProcess;
  /** The options that the worker was started with. */
  readonly key: string;
  /** The worker asks the model there. */
  readonly modelPort: number;
  /** The worker reads its teams there. */
  readonly agentsDir: string | undefined;
}

let isSharing = false;
let left: Shared | undefined;

/** Takes what the world before has left. It ends that if this one needs another. */
export async function takeShared(key: string): Promise<Shared | undefined> {
  const found = left;
  left = undefined;
  if (found === undefined || found.key === key) return found;
  await end(found);
  return undefined;
}

/**
 * Leaves it to the next world, without sessions that go on and without teams.
 * @returns whether it did; if not, the caller ends it
 */
export async function leaveShared(shared: Shared, temporal: Client): Promise<boolean> {
  if (!isSharing || !(await isServerAnswering(shared.server.address))) return false;
  for await (const { workflowId } of temporal.workflow.list({ query: "ExecutionStatus = 'Running'" })) {
    // It may have ended by now.
    await temporal.workflow
      .getHandle(workflowId)
      .terminate()
      .catch(() => undefined);
  }
  const { agentsDir } = shared;
  for (const name of agentsDir === undefined ? [] : await readdir(agentsDir)) {
    await rm(join(agentsDir ?? '', name), { recursive: true, force: true });
  }
  left = shared;
  return true;
}

async function end({ worker, server, agentsDir }: Shared): Promise<void> {
  await worker.kill();
  await server.stop();
  if (agentsDir !== undefined) await rm(agentsDir, { recursive: true, force: true });
}

/** Mocha runs these before the first file and after the last. */
export const mochaHooks = {
  beforeAll: () => {
    isSharing = true;
  },
  afterAll: async () => {
    isSharing = false;
    if (left) await end(left);
  },
};
