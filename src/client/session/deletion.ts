/** Deleting a session with everything that belongs to it. */
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import { removeStored } from '../../storage/payload-store.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import { isNotFound, runsOf } from '../reading/session-runs.ts';

/**
 * The server deletes in the background, when its queues have noted that the session is closed: they do so every 30 to
 * 60 s by default (`history.visibilityProcessorUpdateAckInterval`, `history.transferProcessorUpdateAckInterval`).
 */
const GONE_TIMEOUT_MS = 120_000;
const LOOK_INTERVAL_MS = 100;

const GivenWorkspace = z.object({ config: z.object({ workspace: z.string().optional() }) });
/** Of what a run is started with, only what says where its files are. */
const RunInput = z.union([z.object({ start: GivenWorkspace }), z.object({ carried: GivenWorkspace })]);

export interface DeleteOptions {
  /** Whether to wait until nothing finds it any more, or only until the server has been told. Default true. */
  readonly wait?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Terminates the session if it is open, and removes its history, its payloads in the payload store, what it left in the
 * archive, and the workspace folder of its own, where these lie on this machine. A folder that was given as its workspace stays. When it returns, nothing finds or lists the session
 * any more; that may take a minute. Where it is broken off, it can be called again.
 * @throws CopilotError `SessionNotFound`, `ServerUnreachable`, `StoreUnavailable` if the payload store
 *   cannot be used, `Internal` where the server does not delete it within 2 minutes
 */
export async function deleteSession(
  link: ServerLink,
  sessionId: string,
  { wait = true, signal }: DeleteOptions = {},
): Promise<void> {
  const { runId, isOpen } = await findSession(link, sessionId, signal);
  const runIds: string[] = [];
  let isFolderGiven = false;
  // An input that is gone from the payload store must not keep the rest: an earlier try may have removed it.
  for await (const run of runsOf(link, sessionId, runId, signal, link.lister)) {
    runIds.push(run.runId);
    isFolderGiven ||= hasGivenWorkspace(run.input);
  }
  if (isOpen) await terminate(link, sessionId, signal);
  const folder = isFolderGiven ? undefined : join(link.config.workspaceRoot, sessionId);
  const { archiveDir } = link.config;
  const archived = [join(archiveDir, `${sessionId}.json`), join(archiveDir, 'segments', sessionId)];
  const removeFiles = async (): Promise<void> => {
    await Promise.all([folder, ...archived].map(remove));
    await removeStored(link.config.payloadStore, { namespace: link.namespace, sessionId }, signal);
  };
  await removeFiles();
  // The newest last: while it is there, a deletion that was broken off can be taken up again.
  for (const id of runIds.toReversed()) await deleteRun(link, sessionId, id, signal);
  if (!wait) return;
  await untilGone(link, sessionId, signal);
  // A tool call or the archiving that ran to its end may have written once more.
  await removeFiles();
}

async function findSession(
  link: ServerLink,
  sessionId: string,
  signal: AbortSignal | undefined,
): Promise<{ runId: string; isOpen: boolean }> {
  try {
    const { type, runId, status } = await link.call(() => link.client.workflow.getHandle(sessionId).describe(), {
      signal,
    });
    // Nobody else's workflow is deleted, whatever its id.
    if (type !== SESSION_WORKFLOW) throw new CopilotError('SessionNotFound', { sessionId });
    return { runId, isOpen: status.name === 'RUNNING' };
  } catch (error) {
    signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
}

function hasGivenWorkspace(input: unknown): boolean {
  const parsed = RunInput.safeParse(input);
  // Files of which nothing is known stay.
  if (!parsed.success) return true;
  const { config } = 'start' in parsed.data ? parsed.data.start : parsed.data.carried;
  return config.workspace !== undefined;
}

async function terminate(link: ServerLink, sessionId: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await link.call(() => link.client.workflow.getHandle(sessionId).terminate('deleted'), { signal });
  } catch (error) {
    signal?.throwIfAborted();
    // It has ended by itself meanwhile.
    if (!isNotFound(error)) throw await link.explain(error, sessionId);
  }
}

async function deleteRun(
  link: ServerLink,
  workflowId: string,
  runId: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { client, namespace } = link;
  try {
    const workflowExecution = { workflowId, runId };
    await link.call(() => client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution }), { signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (!isNotFound(error)) throw await link.explain(error, workflowId);
  }
}

/** Until the server neither finds nor lists any run. */
async function untilGone(link: ServerLink, sessionId: string, signal: AbortSignal | undefined): Promise<void> {
  const deadline = Date.now() + GONE_TIMEOUT_MS;
  for (;;) {
    if (!(await isFound(link, sessionId, signal)) && !(await isListed(link, sessionId, signal))) return;
    if (Date.now() > deadline) {
      const problem = `The server has not yet deleted session ${sessionId}, as it was told. Delete it again in a minute.`;
      throw new CopilotError('Internal', { problem });
    }
    await sleep(LOOK_INTERVAL_MS, undefined, { ...(signal ? { signal } : {}) });
  }
}

async function isFound(link: ServerLink, sessionId: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await findSession(link, sessionId, signal);
    return true;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return false;
    throw error;
  }
}

async function isListed(link: ServerLink, sessionId: string, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    // An id has no characters that the query language would take for its own.
    const query = `WorkflowId = '${sessionId}'`;
    return (await link.call(() => link.client.workflow.count(query), { signal })).count > 0;
  } catch (error) {
    signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
}

async function remove(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const stats = await lstat(path).catch(() => undefined);
  // A link goes, and what it leads to stays.
  await rm(path, { recursive: stats?.isDirectory() ?? false, force: true });
}
