/** Sends updates to a session so that they arrive exactly once, however often the connection breaks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import { CopilotError, fromFailure } from '../../contracts/errors.ts';
import { isTimeout, isTransient } from '../../connection/grpc-errors.ts';
import { retry } from '../../connection/retry.ts';
import { ABSENCE_MS, type ServerLink } from '../../connection/server-link.ts';
import { checkSize } from '../checked-input.ts';
import { describeSession } from '../reading/session-queries.ts';
import { newUlid } from '../new-ulid.ts';

/** How long the server may take to hand an update to a worker and have it accepted. */
const ACCEPT_TIMEOUT_MS = 8_000;
const MIN_ACCEPT_TIMEOUT_MS = 2_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

export interface DeliveryOptions {
  /** The same id is the same update, however often it is sent. Default: a new one. */
  readonly updateId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /**
   * How long to retry while server or worker do not answer, in ms. Default: as set when the client connected. If the
   * server knows of no worker at all, the call ends with `NoWorker` after about 15 s.
   */
  readonly retryForMs?: number | undefined;
}

/**
 * Sends an update and waits for its result. The same update is sent again if the connection is lost, the server is
 * down or the session moves to a new run.
 * @throws CopilotError of the session; `InvalidInput` if the payload is too large, `SessionNotFound`, `SessionClosed`,
 *   `NoWorker`, `ServerUnreachable`
 */
export async function deliver<Result, Payload>(
  link: ServerLink,
  sessionId: string,
  update: UpdateDefinition<Result, [Payload]>,
  payload: Payload,
  options: DeliveryOptions = {},
): Promise<Result> {
  const { signal } = options;
  checkSize(payload, `Update "${update.name}"`);
  return await sendPersistently(link, sessionId, options, async ({ updateId, timeoutMs, isFirst, accepted }) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const request = { args: [payload] satisfies [Payload], updateId };
    // Most updates are done within one call. A longer one is waited for once it is accepted.
    if (isFirst) return await link.call(() => handle.executeUpdate(update, request), { timeoutMs, signal });
    const begin = () => handle.startUpdate(update, { ...request, waitForStage: 'ACCEPTED' });
    const begun = await link.call(begin, { timeoutMs, signal });
    accepted();
    return await link.call(() => begun.result(), { timeoutMs: Number.POSITIVE_INFINITY, signal });
  });
}

/** Sends an update until the session has accepted it, which makes it durable. @throws as {@link deliver} */
export async function submit<Result, Payload>(
  link: ServerLink,
  sessionId: string,
  update: UpdateDefinition<Result, [Payload]>,
  payload: Payload,
  options: DeliveryOptions = {},
): Promise<void> {
  const { signal } = options;
  checkSize(payload, `Update "${update.name}"`);
  await sendPersistently(link, sessionId, options, async ({ updateId, timeoutMs }) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const request = { args: [payload] satisfies [Payload], updateId, waitForStage: 'ACCEPTED' as const };
    await link.call(() => handle.startUpdate(update, request), { timeoutMs, signal });
  });
}

interface Attempt {
  readonly updateId: string;
  /** Time for the session to accept the update. */
  readonly timeoutMs: number;
  readonly isFirst: boolean;
  /** To be called when the session has the update. Waiting for its result is no failure. */
  readonly accepted: () => void;
}

async function sendPersistently<T>(
  link: ServerLink,
  sessionId: string,
  options: DeliveryOptions,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  link.checkMayChange();
  const { updateId = newUlid(), signal, retryForMs = link.retryForMs } = options;
  const timeoutMs = Math.min(ACCEPT_TIMEOUT_MS, Math.max(MIN_ACCEPT_TIMEOUT_MS, retryForMs));
  // If nobody answers the follower, the update finds out why.
  const joining = link.joins.get(sessionId);
  if (joining !== undefined) await Promise.race([joining, sleep(timeoutMs, undefined, { ref: false })]);
  let startedAt = 0;
  let isAccepted = false;
  let failingSince: number | undefined;
  /** Since when the server has known of no worker. */
  let absentSince: number | undefined;
  const accepted = (): void => {
    isAccepted = true;
    failingSince = undefined;
  };
  const send = async (attempt: number): Promise<T> => {
    startedAt = Date.now();
    isAccepted = false;
    return await work({ updateId, timeoutMs, isFirst: attempt === 1, accepted });
  };
  const onFailure = async (error: unknown, attempt: number): Promise<void> => {
    // A timeout of the first attempt may only mean that the update takes long. The second attempt finds out.
    if (attempt > 1 || !isTimeout(error)) failingSince ??= isAccepted ? Date.now() : startedAt;
    const isOver = failingSince !== undefined && Date.now() - failingSince >= retryForMs;
    const final = await findFinalError(link, sessionId, error, isOver);
    if (final) throw final;
    const isAbsent = !isAccepted && isTimeout(error) && (await link.health()) === 'no-worker';
    absentSince = isAbsent ? (absentSince ?? startedAt) : undefined;
    if (absentSince !== undefined && Date.now() - absentSince >= ABSENCE_MS) throw link.noWorker(error);
  };
  return await retry(send, { firstPauseMs: FIRST_PAUSE_MS, maxPauseMs: MAX_PAUSE_MS, signal, onFailure });
}

/** The error to give up with, or undefined if the update can be sent again. */
async function findFinalError(
  link: ServerLink,
  sessionId: string,
  error: unknown,
  isOver: boolean,
): Promise<Error | undefined> {
  const known = fromFailure(error);
  if (known) return known;
  if (error instanceof WorkflowNotFoundError || error instanceof WorkflowUpdateFailedError) {
    const closed = await closedError(link, sessionId, error);
    if (closed) return closed;
    if (error instanceof WorkflowUpdateFailedError && !isLost(error)) return error;
    // The session is open: it moved to its next run, or the update was lost before it was accepted.
    return isOver ? await link.explain(error, sessionId) : undefined;
  }
  return isOver || !isTransient(error) ? await link.explain(error, sessionId) : undefined;
}

/**
 * How the server ends an update without outcome: its run ended meanwhile, or a worker completed a task without having
 * seen the update, which can happen when both return from an outage.
 */
const LOST = ['AcceptedUpdateCompletedWorkflow', 'UnprocessedUpdate'];

function isLost({ cause }: WorkflowUpdateFailedError): boolean {
  return cause instanceof ApplicationFailure && LOST.includes(cause.type ?? '');
}

async function closedError(link: ServerLink, sessionId: string, cause: Error): Promise<Error | undefined> {
  try {
    const { status, isClosed } = await describeSession(link, sessionId);
    return isClosed
      ? new CopilotError('SessionClosed', { sessionId, status: status ?? 'closed' }, { cause })
      : undefined;
  } catch (error) {
    if (error instanceof CopilotError && error.type === 'ServerUnreachable') return undefined;
    return error instanceof Error ? error : new Error(String(error));
  }
}
