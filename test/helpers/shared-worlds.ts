/**
 * Lets the worlds of one Mocha process follow each other on one server, and with one worker where they start it alike:
 * `--require` it with the files that may run so. A start of both takes some 3 s of the processor, which is more than
 * many a file needs.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { isServerAnswering } from '../../src/server/server-process.ts';
import type { TestServer } from './server.ts';
import type { WorkerProcess } from './worker.ts';

/** A worker that runs as a world started it. */
export interface SharedWorker {
  readonly process: WorkerProcess;
  /** The options that it was started with. */
  readonly key: string;
  /** It asks the model there. */
  readonly modelPort: number;
  /** It reads its teams there. */
  readonly agentsDir: string | undefined;
}

/** What a world leaves for the next one. */
export interface Shared {
  readonly server: TestServer;
  readonly worker: SharedWorker | undefined;
}

interface Execution {
  readonly workflowId: string;
}

let isSharing = false;
let left: Shared | undefined;

/** Takes what the world before has left, the worker only if it was started with these options. */
export async function takeShared(key: string): Promise<Shared | undefined> {
  const found = left;
  left = undefined;
  if (found?.worker === undefined || found.worker.key === key) return found;
  await endWorker(found.worker);
  return { ...found, worker: undefined };
}

/**
 * Leaves it to the next world, without sessions that go on, keys and teams.
 * @returns whether it did; if not, the caller ends it
 */
export async function leaveShared(shared: Shared, temporal: Client): Promise<boolean> {
  const { server, worker } = shared;
  if (!isSharing || !(await isServerAnswering(server.address))) return false;
  const { namespace } = temporal.options;
  let isCalling = false;
  for (const execution of await running(temporal)) {
    const handle = temporal.workflow.getHandle(execution.workflowId);
    try {
      const { pendingActivities } = await temporal.workflowService.describeWorkflowExecution({ namespace, execution });
      isCalling ||= pendingActivities.length > 0;
      await handle.terminate();
    } catch {
      // It has ended by now.
    }
  }
  await rm(join(server.homeDir, 'gateway-keys.json'), { force: true });
  for (const name of worker?.agentsDir === undefined ? [] : await readdir(worker.agentsDir)) {
    await rm(join(worker?.agentsDir ?? '', name), { recursive: true, force: true });
  }
  // A call that goes on would ask the model of the next world.
  if (isCalling && worker) await endWorker(worker);
  left = isCalling ? { server, worker: undefined } : shared;
  return true;
}

/** As the server lists them: memos may be encrypted. */
async function running({ workflowService, options: { namespace } }: Client): Promise<Execution[]> {
  const found: Execution[] = [];
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const request = { namespace, query: "ExecutionStatus = 'Running'", nextPageToken };
    const page = await workflowService.listWorkflowExecutions(request);
    for (const { execution } of page.executions) {
      if (execution?.workflowId) found.push({ workflowId: execution.workflowId });
    }
    ({ nextPageToken } = page);
  } while (nextPageToken.length > 0);
  return found;
}

async function endWorker({ process, agentsDir }: SharedWorker): Promise<void> {
  await process.kill();
  if (agentsDir !== undefined) await rm(agentsDir, { recursive: true, force: true });
}

/** Mocha runs these before the first file and after the last. */
export const mochaHooks = {
  beforeAll: () => {
    isSharing = true;
  },
  afterAll: async () => {
    isSharing = false;
    if (left?.worker) await endWorker(left.worker);
    await left?.server.stop();
  },
};
