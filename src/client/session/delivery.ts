/** Updates of a session that arrive exactly once, however often the way there breaks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import { ulid } from 'ulid';
import { CopilotError, fromFailure } from '../../contracts/errors.ts';
import { ABSENCE_MS, isTimeout, isTransient, type ServerLink } from '../../connection/server-link.ts';
import { checkSize } from '../checked-input.ts';
import { describeSession } from '../reading/session-queries.ts';

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
   * Gives up after so long without an answer of server or worker, in ms. Default: as the client was connected. Where
   * the server knows of no worker at all, `NoWorker` comes after some 15 s.
   */
  readonly retryForMs?: number | undefined;
}

/**
 * Sends an update and waits for its result. Where the connection is lost, the server is away or the
 * session moves to a new run, the same update is sent again.
 * @throws CopilotError as the session says; `InvalidInput` where it is too large, `SessionNotFound`, `SessionClosed`, `NoWorker`, `ServerUnreachable`
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
  return await persist(link, sessionId, options, async ({ updateId, timeoutMs, isFirst, accepted }) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const request = { args: [payload] satisfies [Payload], updateId };
    // One call for what is soon done; what takes longer is waited for once it is known to be accepted.
    if (isFirst) return await link.call(() => handle.executeUpdate(update, request), { timeoutMs, signal });
    const begin = () => handle.startUpdate(update, { ...request, waitForStage: 'ACCEPTED' });
    const begun = await link.call(begin, { timeoutMs, signal });
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
  const { signal } = options;
  checkSize(payload, `Update "${update.name}"`);
  await persist(link, sessionId, options, async ({ updateId, timeoutMs }) => {
    const handle = link.client.workflow.getHandle(sessionId);
    const request = { args: [payload] satisfies [Payload], updateId, waitForStage: 'ACCEPTED' as const };
    await link.call(() => handle.startUpdate(update, request), { timeoutMs, signal });
  });
}

interface Attempt {
  readonly updateId: string;
  /** For the update to be accepted. */
  readonly timeoutMs: number;
  readonly isFirst: boolean;
  /** To be called when the session has the update: from then on waiting is no failure. */
  readonly accepted: () => void;
}

async function persist<T>(
  link: ServerLink,
  sessionId: string,
  options: DeliveryOptions,
  work: (attempt: Attempt) => Promise<T>,
): Promise<T> {
  const { updateId = ulid(), signal, retryForMs = link.retryForMs } = options;
  const timeoutMs = Math.min(ACCEPT_TIMEOUT_MS, Math.max(MIN_ACCEPT_TIMEOUT_MS, retryForMs));
  let failingSince: number | undefined;
  /** No worker was there since. */
  let absentSince: number | undefined;
  for (let number = 1; ; number++) {
    const startedAt = Date.now();
    let isAccepted = false;
    const accepted = (): void => {
      isAccepted = true;
      failingSince = undefined;
    };
    try {
      return await work({ updateId, timeoutMs, isFirst: number === 1, accepted });
    } catch (error) {
      signal?.throwIfAborted();
      // The first attempt may just have taken long; the second finds out.
      if (number > 1 || !isTimeout(error)) failingSince ??= isAccepted ? Date.now() : startedAt;
      const isOver = failingSince !== undefined && Date.now() - failingSince >= retryForMs;
      const final = await verdict(link, sessionId, error, isOver);
      if (final) throw final;
      const isAbsent = !isAccepted && isTimeout(error) && (await link.health()) === 'no-worker';
      absentSince = isAbsent ? (absentSince ?? startedAt) : undefined;
      if (absentSince !== undefined && Date.now() - absentSince >= ABSENCE_MS) throw link.noWorker(error);
    }
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (number - 1), MAX_PAUSE_MS);
    await sleep(pauseMs, undefined, { ...(signal ? { signal } : {}) });
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
    if (error instanceof WorkflowUpdateFailedError && !isLost(error)) return error;
    // Still open: it went from one run to the next, or the update was lost before it was accepted.
    return isOver ? await link.explain(error, sessionId) : undefined;
  }
  return isOver || !isTransient(error) ? await link.explain(error, sessionId) : undefined;
}

/**
 * What the server itself says of an update that has no outcome: its run ended while it was under way, or a worker ended
 * a task without having seen it, as may happen when both come back from an absence.
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
