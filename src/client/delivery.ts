/** Updates of a session that arrive exactly once, however often the way there breaks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { ulid } from 'ulid';
import { CopilotError, fromFailure } from '../contracts/errors.ts';
import { isTimeout, isTransient, type ServerLink } from './connection.ts';
import { describeSession } from './reading.ts';

/** How long the server may take to hand an update to a worker and have it accepted. */
const ACCEPT_TIMEOUT_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

export interface DeliveryOptions {
  /** The same id is the same update, however often it is sent. Default: a new one. */
  readonly updateId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Gives up after so long without an answer of server or worker, in ms. Default: as the client was connected. */
  readonly retryForMs?: number | undefined;
}

/**
 * Sends an update and waits for its result. Where the connection is lost, the server is away or the
 * session moves to a new run, the same update is sent again.
 * @throws CopilotError as the session says; `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
 */
export async function deliver<Result, Payload>(
  link: ServerLink,
  sessionId: string,
  update: UpdateDefinition<Result, [Payload]>,
  payload: Payload,
  options: DeliveryOptions = {},
): Promise<Result> {
  const { signal } = options;
  return await persist(link, sessionId, options, async (request, attempt, accepted) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const args: [Payload] = [payload];
    const limits = { timeoutMs: ACCEPT_TIMEOUT_MS, signal };
    // One call for what is soon done; what takes longer is waited for once it is known to be accepted.
    if (attempt === 1) return await link.call(() => handle.executeUpdate(update, { args, ...request }), limits);
    const waitForStage = 'ACCEPTED';
    const begun = await link.call(() => handle.startUpdate(update, { args, waitForStage, ...request }), limits);
    accepted();
    return await link.call(() => begun.result(), { timeoutMs: Number.POSITIVE_INFINITY, signal });
  });
}

/** Sends an update until the session has accepted it, which makes it durable. */
export async function submit<Result, Payload>(
  link: ServerLink,
  sessionId: string,
  update: UpdateDefinition<Result, [Payload]>,
  payload: Payload,
  options: DeliveryOptions = {},
): Promise<void> {
  const limits = { timeoutMs: ACCEPT_TIMEOUT_MS, signal: options.signal };
  await persist(link, sessionId, options, async (request) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const args: [Payload] = [payload];
    const waitForStage = 'ACCEPTED';
    await link.call(() => handle.startUpdate(update, { args, waitForStage, ...request }), limits);
  });
}

type Attempt<T> = (request: { updateId: string }, attempt: number, accepted: () => void) => Promise<T>;

async function persist<T>(link: ServerLink, sessionId: string, options: DeliveryOptions, work: Attempt<T>): Promise<T> {
  const { updateId = ulid(), signal, retryForMs = link.retryForMs } = options;
  let answeredAt = Date.now();
  const accepted = (): void => {
    answeredAt = Date.now();
  };
  for (let attempt = 1; ; attempt++) {
    try {
      return await work({ updateId }, attempt, accepted);
    } catch (error) {
      signal?.throwIfAborted();
      const isOver = Date.now() - answeredAt >= retryForMs;
      const final = await verdict(link, sessionId, error, isOver);
      if (final) throw final;
    }
    await sleep(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), MAX_PAUSE_MS), undefined, {
      ...(signal ? { signal } : {}),
    });
  }
}

/** The error to end with, or undefined where the update is worth sending again. */
async function verdict(
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
    // Still open: it went from one run to the next, or the update was lost before it was accepted.
    return isOver ? await link.explain(error, sessionId) : undefined;
  }
  if (!isTransient(error)) return await link.explain(error, sessionId);
  if (isOver) return await link.explain(error, sessionId);
  if (isTimeout(error) && (await link.health()) === 'no-worker') {
    return new CopilotError('NoWorker', { taskQueue: link.config.taskQueue }, { cause: error });
  }
  return undefined;
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
