/** Deletes a session with everything that belongs to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CopilotError } from '../../contracts/errors.ts';
import { SESSION_WORKFLOW } from '../../contracts/messages.ts';
import type { ServerLink } from '../../connection/server-link.ts';
import type { SessionPart } from '../../contracts/files.ts';
import { FoundId } from '../../contracts/session.ts';
import { isNotFound, runsById, runsOf } from '../reading/session-runs.ts';
import { removeParts } from './files.ts';

/**
 * The server ends and deletes an open run at once. A closed one it deletes when its queues have noted the end, which
 * they do every 30 to 60 s by default; our servers do not wait for that.
 */
const GONE_TIMEOUT_MS = 300_000;
/** A server that has not noted the end tries again after 3 s, then after longer. On ours a parent has heard of it by then. */
const SETTLE_MS = 1_500;
const LOOK_INTERVAL_MS = 100;

const GivenWorkspace = z.object({ config: z.object({ workspace: z.string().optional() }) });
/** The part of a run's input that says where its files are. */
const RunInput = z.union([z.object({ start: GivenWorkspace }), z.object({ carried: GivenWorkspace })]);

export interface DeleteOptions {
  /** Wait until the session can no longer be found; if false, only until the server has the request. Default true. */
  readonly wait?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Ends the session if it is open, and deletes its history, its stored payloads, its archive and its workspace. A folder
 * that was given as workspace stays. When this returns, the session can no longer be found or listed. That takes a
 * second; where the session has just ended, on a server with Temporal's own settings, minutes. An interrupted deletion
 * can be repeated.
 * @throws CopilotError `SessionNotFound`, `NoWorker`, `ServerUnreachable`; `StoreUnavailable` if the payload store fails;
 *   `Internal` if the server does not delete the session within 5 minutes
 */
export async function deleteSession(
  link: ServerLink,
  sessionId: string,
  { wait = true, signal }: DeleteOptions = {},
): Promise<void> {
  link.checkMayChange();
  const { runId, isOpen, closedAt } = await findSession(link, sessionId, signal);
  const runIds: string[] = [];
  let isFolderGiven = false;
  // An earlier attempt may have removed an input from the payload store; the lister does not fail at that.
  for await (const run of runsOf(link, sessionId, runId, signal, link.lister)) {
    runIds.push(run.runId);
    isFolderGiven ||= hasGivenWorkspace(run.input);
  }
  const parts: SessionPart[] = ['payloads'];
  // The server takes any text as the id of a workflow. One that is no session id has no files.
  if (FoundId.safeParse(sessionId).success) parts.push('archive', ...(isFolderGiven ? [] : ['workspace' as const]));
  // Only workers have the files, so nothing of the session is deleted before one has answered.
  await removeParts(link, sessionId, parts, signal);
  if (wait && !isOpen) {
    await sleep(Math.max(0, closedAt + SETTLE_MS - Date.now()), undefined, signal ? { signal } : {});
  }
  const deleted = new Set<string>();
  // The newest run goes last: while it exists, an interrupted deletion can be repeated.
  for (const id of runIds.toReversed()) await deleteRun(link, sessionId, id, deleted, signal);
  await deleteListed(link, sessionId, deleted, signal);
  if (wait) await untilGone(link, sessionId, deleted, signal);
  // A tool call or the archiving may have written until the end.
  await removeParts(link, sessionId, parts, signal);
}

/** @throws CopilotError `SessionNotFound` */
async function findSession(
  link: ServerLink,
  sessionId: string,
  signal: AbortSignal | undefined,
): Promise<{ runId: string; isOpen: boolean; closedAt: number }> {
  try {
    const { type, runId, status, closeTime } = await link.call(
      () => link.client.workflow.getHandle(sessionId).describe(),
      { signal },
    );
    // A workflow of another type is none of our sessions.
    if (type !== SESSION_WORKFLOW) throw new CopilotError('SessionNotFound', { sessionId });
    return { runId, isOpen: status.name === 'RUNNING', closedAt: closeTime?.getTime() ?? 0 };
  } catch (error) {
    signal?.throwIfAborted();
    throw await link.explain(error, sessionId);
  }
}

function hasGivenWorkspace(input: unknown): boolean {
  const parsed = RunInput.safeParse(input);
  // Files stay if the input does not say whose they are.
  if (!parsed.success) return true;
  const { config } = 'start' in parsed.data ? parsed.data.start : parsed.data.carried;
  return config.workspace !== undefined;
}

/** Ends the run if it is open. */
async function deleteRun(
  link: ServerLink,
  workflowId: string,
  runId: string,
  deleted: Set<string>,
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
  deleted.add(runId);
}

/** Waits until the server neither finds nor lists any run. */
async function untilGone(
  link: ServerLink,
  sessionId: string,
  deleted: Set<string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = Date.now() + GONE_TIMEOUT_MS;
  // Servers limit how often their lists are asked, so that is done only when the session can no longer be found.
  while (
    (await deleteNewest(link, sessionId, deleted, signal)) ||
    (await deleteListed(link, sessionId, deleted, signal))
  ) {
    if (Date.now() > deadline) {
      const problem = `The server has not deleted session ${sessionId} yet. Delete it again in a minute.`;
      throw new CopilotError('Internal', { problem });
    }
    await sleep(LOOK_INTERVAL_MS, undefined, { ...(signal ? { signal } : {}) });
  }
}

/**
 * Deletes the run that the id leads to: the session may have gone on in a new one.
 * @returns whether there is any
 */
async function deleteNewest(
  link: ServerLink,
  sessionId: string,
  deleted: Set<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { runId } = await findSession(link, sessionId, signal);
    if (!deleted.has(runId)) await deleteRun(link, sessionId, runId, deleted, signal);
    return true;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'SessionNotFound') return false;
    throw error;
  }
}

/**
 * Deletes the runs that are listed and not deleted yet: a reset leaves the run that it ended, which no other run names.
 * @returns whether any run is listed
 */
async function deleteListed(
  link: ServerLink,
  sessionId: string,
  deleted: Set<string>,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const listed = (await runsById(link, [sessionId], { signal })).get(sessionId) ?? [];
  for (const { runId } of listed) {
    if (!deleted.has(runId)) await deleteRun(link, sessionId, runId, deleted, signal);
  }
  return listed.length > 0;
}
