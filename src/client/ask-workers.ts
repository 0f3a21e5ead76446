/** Asks workers something that is no matter of one session's workflow, by a short workflow of its own. */
import { WorkflowFailedError } from '@temporalio/client';
import { TimeoutFailure } from '@temporalio/common';
import { decodeRawFailure } from '../connection/raw-responses.ts';
import { retry } from '../connection/retry.ts';
import { ABSENCE_MS, type ServerLink } from '../connection/server-link.ts';
import { CopilotError, fromFailure } from '../contracts/errors.ts';
import { removeStored } from '../storage/payload-store.ts';
import { newUlid } from './new-ulid.ts';

const REMOVE_TIMEOUT_MS = 2_000;
const PAUSES = { firstPauseMs: 100, maxPauseMs: 2_000 };

export interface Question {
  /** Type of the workflow. */
  readonly type: string;
  /** What it takes. */
  readonly args: readonly unknown[];
  /** Begins the id of the workflow. */
  readonly prefix: string;
  /** One line for the Web UI. */
  readonly summary: string;
  /** Whether it is asked again while the server is away. Default false. */
  readonly isPatient?: boolean;
  /** Whether question or answer may be so large that they went to the payload store. Default false. */
  readonly isLarge?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A question may be answered more than once: it is asked again if no answer came in time.
 * @throws CopilotError `NoWorker` if no worker takes the question within the time that the link retries for; what the
 *   worker refuses it with; `ServerUnreachable`
 */
export async function askWorkers<Answer>(link: ServerLink, question: Question): Promise<Answer> {
  const deadline = Date.now() + link.retryForMs;
  const { isPatient = false, signal } = question;
  return await retry(() => askWorker<Answer>(link, question), {
    ...PAUSES,
    signal,
    onFailure: async (error) => {
      const type = error instanceof CopilotError ? error.type : undefined;
      if (Date.now() >= deadline) throw error;
      if (type === 'ServerUnreachable' && isPatient) return;
      // A worker that polls is busy, not absent: if many sessions are created at once its queue is long.
      if (type !== 'NoWorker' || (await link.health()) !== 'ok') throw error;
    },
  });
}

/** @throws CopilotError `NoWorker` if no worker took the question in time, else as {@link askWorkers} */
async function askWorker<Answer>(
  link: ServerLink,
  { type, args, prefix, summary, isLarge = false, signal }: Question,
): Promise<Answer> {
  const { taskQueue } = link.config;
  const workflowId = `${prefix}-${newUlid()}`;
  try {
    const options = {
      workflowId,
      taskQueue,
      args: [...args],
      // The server removes the question if no worker takes it.
      workflowExecutionTimeout: ABSENCE_MS,
      staticSummary: summary,
    };
    return await link.call(
      () => link.client.workflow.execute(type, options) as Promise<Answer>, // what workflows of this type give
      { timeoutMs: 2 * ABSENCE_MS, signal },
    );
  } catch (error) {
    signal?.throwIfAborted();
    const isTooLate = error instanceof WorkflowFailedError && error.cause instanceof TimeoutFailure;
    throw isTooLate ? ((await readRefusal(link, workflowId)) ?? link.noWorker(error)) : await link.explain(error);
  } finally {
    await removeQuestion(link, { workflowId, type, isLarge });
  }
}

/** An answered question would stand among the sessions in the Web UI for as long as the namespace keeps workflows. */
async function removeQuestion(
  link: ServerLink,
  { workflowId, type, isLarge }: { readonly workflowId: string; readonly type: string; readonly isLarge: boolean },
): Promise<void> {
  const { client, config, namespace } = link;
  const remove = { namespace, workflowExecution: { workflowId } };
  try {
    await link.call(() => client.workflowService.deleteWorkflowExecution(remove), { timeoutMs: REMOVE_TIMEOUT_MS });
    if (isLarge) await removeStored(config.payloadStore, { namespace, workflowId, type });
  } catch {
    // It was not started, or this client may not delete: then it stays.
  }
}

/** Why a worker failed at the question, or undefined if none took it or a retry can help. */
async function readRefusal(link: ServerLink, workflowId: string): Promise<Error | undefined> {
  try {
    const { events } = await link.call(() => link.client.workflow.getHandle(workflowId).fetchHistory());
    const failed = events?.findLast(({ workflowTaskFailedEventAttributes: task }) => task?.failure != null);
    const failure = failed?.workflowTaskFailedEventAttributes?.failure;
    return fromFailure(await decodeRawFailure(link.client, failure));
  } catch (error) {
    return await link.explain(error);
  }
}
